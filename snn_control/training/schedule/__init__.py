"""The schedule of training: when a stage ends, what a spike costs, which values are kept, and what prevents
learning."""
