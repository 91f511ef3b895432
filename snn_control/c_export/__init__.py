"""Export of a controller to C99 without dependencies, which computes the same bits as the engine."""
