"""A camera head that tracks a target by the events of its camera."""
