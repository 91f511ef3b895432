"""Recipes: how the shipped controllers are made. Each turns parameters into a controller."""

from .base import Recipe, recipes, write_controller

__all__ = ["Recipe", "recipes", "write_controller"]
