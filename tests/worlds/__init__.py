"""Gymnasium worlds that only tests use."""

import gymnasium

gymnasium.register("Replay-v0", entry_point="tests.worlds.replay:Replay")
gymnasium.register("Mixed-v0", entry_point="tests.worlds.trying:Mixed")
gymnasium.register("Corners-v0", entry_point="tests.worlds.trying:Corners")
gymnasium.register("Switches-v0", entry_point="tests.worlds.trying:Switches")
gymnasium.register("Levels-v0", entry_point="tests.worlds.trying:Levels")
gymnasium.register("Odd-v0", entry_point="tests.worlds.odd:Odd", reward_threshold=100.0)
