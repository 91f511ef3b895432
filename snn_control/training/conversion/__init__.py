"""Conversion of a trained policy to a spiking controller, and imitation of the policy on the engine's own spikes."""
