"""Gradients on the spikes of the engine: trained parameters, sequences that are run again, adjoints of the kernels."""
