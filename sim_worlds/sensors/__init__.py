"""Simulated sensors: event cameras, and the pictures that they see."""
