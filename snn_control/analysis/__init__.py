"""Analysis of a controller: stimuli, probes, diagnosis, energy, speed."""
