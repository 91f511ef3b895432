"""A quadruped with twelve joints and an Imu that follows velocity commands."""
