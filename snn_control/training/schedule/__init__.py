"""The schedule of training: when it stops, what spikes cost, which values are kept, and what prevents learning."""
