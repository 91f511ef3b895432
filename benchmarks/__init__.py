"""Measurements: ``python -m benchmarks [NAME ...]``. Speeds are ratios within one interleaved run."""
