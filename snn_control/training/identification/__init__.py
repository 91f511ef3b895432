"""Identify how a recorded robot differs from its simulation: delay, gain of each action channel, noise."""
