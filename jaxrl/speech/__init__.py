"""Speech and text in one stream of tokens, after Step-Audio (arXiv 2502.11946): formats, engine, tokenizer, decoder."""
