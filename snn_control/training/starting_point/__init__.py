"""Write a controller file from which training in an environment starts."""
