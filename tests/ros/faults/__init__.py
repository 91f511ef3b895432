"""Faults injected for real, over DDS, from other processes: ``python -m tests.ros.faults`` (``make faults``)."""
