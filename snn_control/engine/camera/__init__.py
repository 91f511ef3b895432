"""The simulated event camera: it converts frames to pictures of log intensity, and these to events of its pixels."""
