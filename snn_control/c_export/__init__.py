"""Export a controller to C99 without dependencies. The C code computes the same bits as the Python engine."""
