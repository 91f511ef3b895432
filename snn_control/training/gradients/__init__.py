"""Gradients on the spikes of the engine: what is trained, sequences that are run again, adjoints of the kernels."""
