"""Classical controllers that a spiking one has to beat."""
