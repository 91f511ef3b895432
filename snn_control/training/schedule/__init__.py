"""The schedule of training: the end of a stage, the target for the spikes, the choice of the result, and diagnoses."""
