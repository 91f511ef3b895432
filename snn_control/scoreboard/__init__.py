"""The scoreboard of spiking control: a fixed protocol, and rows that anyone can run again to the same digest.

``docs/scoreboard.md`` explains the protocol and the columns. The rows are in ``docs/scoreboard/*.json``.
"""
