"""The dual-codebook tokenizer: a wave becomes 2 linguistic and 3 semantic codes for each 120 ms."""
