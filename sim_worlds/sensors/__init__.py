"""Simulated sensors: pictures of analytic scenes, and the events that a camera gives for them."""
