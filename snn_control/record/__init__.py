"""Recordings of runs: recorders of spikes, inputs and episodes, their files, and the replay of a recorded run."""

from .run_folder import read_run, write_run

__all__ = ["read_run", "write_run"]
