"""A controller file for an environment, to train from."""
