"""Training algorithms: reinforcement learning, imitation, evolution and online learning, and what they share."""
