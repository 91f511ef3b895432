"""Supervision of a control loop: another process moves the commands to their safe values if the loop fails."""
