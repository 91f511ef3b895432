"""A quadrotor that lands softly with the events of a camera that looks down."""
