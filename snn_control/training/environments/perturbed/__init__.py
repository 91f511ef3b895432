"""Gymnasium wrappers that perturb an environment: delays, noise, losses, gains, and the physics of shipped worlds.

`apply.perturbed` wraps an environment. Each perturbation has one wrapper with its own random numbers, so perturbations
can be combined without changing each other's random draws.
"""
