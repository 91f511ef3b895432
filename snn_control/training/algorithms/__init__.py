"""Training algorithms: reinforcement learning, imitation, evolution, online learning, and their shared code."""
