"""A mobile robot that drives through an unknown course by what its laser scanner sees."""
