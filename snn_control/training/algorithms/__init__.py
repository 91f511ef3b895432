"""Training algorithms: reinforcement learning, imitation, evolution and online learning, and the code that they
share."""
