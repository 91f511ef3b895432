"""An arm of two joints that follows a path with an unknown load."""
