"""A small quadrotor that follows a wanted attitude."""
