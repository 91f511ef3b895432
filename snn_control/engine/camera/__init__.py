"""The simulated event camera: its pixels, pictures of log intensity, and frames that become events."""
