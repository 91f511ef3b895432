"""The schedule of training: the end of a stage, the price of spikes, the choice of the result, and diagnoses."""
