"""The nodes, their parameters, services and diagnostics."""
