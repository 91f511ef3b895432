"""The control loop in real time: its thread, its ports, its scheduling rights, and the watchdog that supervises it."""
