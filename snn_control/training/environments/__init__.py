"""Gymnasium environments as a controller sees them: one environment, several in parallel, and whole episodes."""
