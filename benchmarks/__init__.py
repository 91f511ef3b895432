"""Measurements: ``python -m benchmarks [NAME ...]``. Compare speeds only as ratios within one interleaved run."""
