"""The control loop in real time: its thread, its ports, its rights, and the watchdog that supervises it."""
