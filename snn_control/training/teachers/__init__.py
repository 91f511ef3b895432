"""Teachers: sources of the actions that a controller imitates."""
