"""Convert a trained policy to a spiking controller, and then let the controller imitate the policy in the engine."""
