"""A Kuka LBR iiwa under torque control that follows a path with an unknown load in its hand."""
