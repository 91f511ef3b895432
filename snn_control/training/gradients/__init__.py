"""Gradients through the spikes of the engine: trained parameters, recorded sequences, and the adjoints of kernels."""
