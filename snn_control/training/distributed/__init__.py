"""Run several trainings at the same time, in processes of this machine or on a Ray cluster."""
