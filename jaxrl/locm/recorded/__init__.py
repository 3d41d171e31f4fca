"""Games that the referee recorded, in its notation, and the check that the engine plays them alike."""
