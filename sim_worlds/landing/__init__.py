"""A quadrotor that lands by the events of a camera that looks down."""
