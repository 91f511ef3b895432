"""Gradients on the spikes of the engine. The package holds the trained parameters, runs sequences again, and has the
adjoints of the kernels."""
