"""A policy's network as an ONNX file, for programs without JAX (extra `onnx`): traced, translated, compared."""
