"""Teachers: anything that gives the action that a controller should imitate."""
