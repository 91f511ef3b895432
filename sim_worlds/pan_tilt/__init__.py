"""A pan-tilt head that tracks a target with its event camera."""
