"""How long a controller takes, and where its time goes."""
