"""The ROS 2 nodes with their parameters, services and diagnostics."""
