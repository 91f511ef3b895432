"""A cart that swings a pole up and keeps it upright."""
