"""A quadruped with twelve joints and an IMU that follows velocity commands."""
