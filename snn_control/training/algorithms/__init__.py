"""Training algorithms: reinforcement learning, imitation, evolution and online learning, and their common parts."""
