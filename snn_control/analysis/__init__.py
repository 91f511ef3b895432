"""What is measured and found out about a controller: stimuli, probes, diagnosis, energy, speed."""
