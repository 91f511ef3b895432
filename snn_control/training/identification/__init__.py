"""Identify the differences between a recorded robot and its simulation: delay, gain of each action channel, noise."""
