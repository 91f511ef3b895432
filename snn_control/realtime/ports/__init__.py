"""Ports: input ports provide the loop's inputs, and output ports pass its commands on."""
