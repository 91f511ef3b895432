"""A quadruped that walks as it is told, with twelve joints and an Imu."""
