"""Recipes: how the shipped controllers are made. Each turns a vector of parameters into a controller file."""

from .base import Recipe, recipes, write_controller

__all__ = ["Recipe", "recipes", "write_controller"]
