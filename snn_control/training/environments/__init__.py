"""Gymnasium environments as a controller sees them: one, several at a time, or whole episodes."""
