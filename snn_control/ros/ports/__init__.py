"""Ports between DDS and the io block of the loop."""
