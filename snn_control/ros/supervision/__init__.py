"""The way to the safe command when a loop or its process does not work any more."""
