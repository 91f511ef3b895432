"""Simulated sensors: pictures of analytic scenes, and an event camera that looks at them."""
