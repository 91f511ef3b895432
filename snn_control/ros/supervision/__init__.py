"""The way to the safe command if a loop or its process no longer works."""
