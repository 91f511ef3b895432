"""Simulated sensors: event cameras, and the functions that compute the pictures that they see."""
