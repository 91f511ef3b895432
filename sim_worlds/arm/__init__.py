"""An arm of two joints that follows a path with a load that it does not know."""
