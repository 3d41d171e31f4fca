"""The decoder: codes become envelope, F0 and voicing by flow matching, and a source-filter vocoder makes the wave."""
