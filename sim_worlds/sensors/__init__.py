"""Simulated sensors: pictures of analytic scenes, and what an event camera makes of them."""
