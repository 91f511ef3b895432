"""A camera head that tracks a target with the events of its camera."""
