"""Teachers: policies, functions and controllers whose actions another controller imitates."""
