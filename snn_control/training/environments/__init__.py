"""Run controllers in Gymnasium environments: in a single one, in several in parallel, and in whole episodes."""
