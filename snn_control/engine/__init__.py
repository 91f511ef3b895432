"""The engine: Programs, which are compiled controllers, and everything that builds, binds and runs them."""
