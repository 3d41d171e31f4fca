"""The data engine: scripts x voices x styles, read by synthesisers, filtered by what a recogniser and meters hear."""
