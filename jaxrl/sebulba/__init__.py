"""The actor/learner runtime: threads that act, one thread that learns, and two objects between them."""
