"""When training stops, what spikes cost, which values are kept, and what is wrong with it."""
