"""Gymnasium worlds that only tests use."""

import gymnasium

gymnasium.register("Replay-v0", entry_point="tests.worlds.replay:Replay")
