"""A mobile robot that drives through an unknown course with a laser scanner."""
