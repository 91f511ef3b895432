"""Gymnasium wrappers that perturb an environment: delays, noise, losses, gains, and the physics of shipped worlds.

`perturbed.perturbed` puts them around an environment. Each perturbation has one wrapper with its own random numbers, so
perturbations can be combined, and one does not change the draws of another.
"""
