"""Convert between Gymnasium spaces and the inputs and outputs of controllers. Gymnasium itself is not needed."""
