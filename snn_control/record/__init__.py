"""Recordings of runs."""

from .run_folder import read_run, write_run

__all__ = ["read_run", "write_run"]
