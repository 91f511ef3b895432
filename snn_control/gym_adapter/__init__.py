"""Convert between Gymnasium spaces and the inputs and outputs of controllers. Gymnasium is not imported."""
