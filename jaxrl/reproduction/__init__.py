"""A study from start to report: agents x games x seeds, as sweep files under configs/reproduce."""
