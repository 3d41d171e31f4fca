"""Acting and learning, side by side or in one program."""
