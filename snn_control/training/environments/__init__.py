"""Gymnasium environments, with a controller's inputs and outputs: single, several in parallel, and in whole
episodes."""
