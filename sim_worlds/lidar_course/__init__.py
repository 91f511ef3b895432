"""A mobile robot that drives through an unknown course by its laser scanner."""
