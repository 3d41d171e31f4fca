"""Training by self-play in any two-player game: current policy, frozen members of a pool, fictitious play."""
