"""Ports that provide the loop's inputs and take its commands."""
