"""What may be set, read from files and the command line, and what follows from it."""
