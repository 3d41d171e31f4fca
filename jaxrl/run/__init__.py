"""One training run: build, train, resume, evaluate, look inside."""
