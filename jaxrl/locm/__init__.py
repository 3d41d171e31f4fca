"""The players of Legends of Code and Magic: matches, and games in words."""
