"""Waves and what is heard in them: files, levels, WORLD, meters, recogniser, features, pages."""
