"""Gradients through the engine's spikes: trained parameters, sequences that run again, and adjoints of kernels."""
