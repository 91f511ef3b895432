"""What feeds the loop, and what takes its commands."""
