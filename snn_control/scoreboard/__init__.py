"""The scoreboard of spiking control: results of controllers, measured by a fixed protocol that anyone can repeat.

``docs/scoreboard.md`` explains the protocol and the columns of the table. Each row of the table is the result of one
controller in one environment. The rows are in ``docs/scoreboard/*.json``.
"""
