"""Supervision of a control loop: another process moves the commands to the safe ones if the loop no longer works."""
