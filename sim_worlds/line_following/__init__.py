"""A wheeled robot that follows a line on the floor with the events of its camera."""
