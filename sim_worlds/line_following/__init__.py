"""A wheeled robot that follows a line on the floor with an event camera."""
