"""The schedule of training: when a stage ends, what spikes cost, which values are kept, and what prevents learning."""
