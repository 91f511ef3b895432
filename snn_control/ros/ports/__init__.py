"""Ports between the middleware (DDS) and the control loop: they receive inputs, and publish commands and spikes."""
