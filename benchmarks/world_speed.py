"""Speed of each world, alone and with its controller, and the memory and files that 1,000 resets leave behind.

``python -m benchmarks.world_speed [ID ...]`` (``--quick``: 50 resets). Each world runs in a process of its own; times
are CPU times of one thread. ``passed`` is false if a world and its controller are slower than `WANTED` or a reset
leaks.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium import spaces

from sim_worlds import WORLDS
from snn_control.cli.worlds import world_class
from snn_control.controller import Controller
from snn_control.resources import controller_path

SECONDS = 6.0  # CPU time of each measurement of steps
WANTED = {True: 5.0, False: 30.0}  # times real time with a controller: with an event camera, without
GROWTH = 1.0  # most that 1,000 resets may add to the resident memory [MB]


def steps_a_second(env: gymnasium.Env, controller: Controller | None, seconds: float) -> float:
    """Return steps per second of CPU time, without resets. Without a controller, actions are random."""
    spent, steps, seed, space = 0.0, 0, 5000, env.action_space
    drawn = [space.sample() for _ in range(256)]  # drawing takes longer than some worlds' steps
    while spent < seconds:
        observation, _ = env.reset(seed=seed)
        if controller is not None:
            controller.reset()
        seed, over, begin = seed + 1, False, time.process_time()
        while not over and spent + time.process_time() - begin < seconds:
            action = drawn[steps % len(drawn)] if controller is None else controller.act(observation, space)
            observation, _, terminated, truncated, _ = env.step(action)
            steps, over = steps + 1, terminated or truncated
        spent += time.process_time() - begin
    return steps / spent


def resident() -> float:
    """Return the memory of this process [MB]."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def resets(env: gymnasium.Env, times: int) -> tuple[float, float, int]:
    """Return CPU time of a reset [ms], and growth of the memory [MB] and of the open files; a tenth of the resets comes
    before."""
    grown, files, begin = 0.0, 0, 0.0
    for k in range(-times // 10, times):
        if k == 0:
            grown, files, begin = resident(), len(os.listdir("/proc/self/fd")), time.process_time()
        env.reset(seed=5000 + k)
        env.step(env.action_space.sample())
    spent = time.process_time() - begin
    return spent / times * 1e3, resident() - grown, len(os.listdir("/proc/self/fd")) - files


def measure(name: str, times: int, seconds: float) -> dict[str, Any]:
    env = gymnasium.make(f"sim_worlds:{name}", disable_env_checker=True)
    env.action_space.seed(1)
    file, rate = env.metadata.get("controller"), env.metadata["render_fps"]
    found: dict[str, Any] = {"alone": steps_a_second(env, None, seconds)}
    if file:
        found["controlled"] = steps_a_second(env, Controller.load(controller_path(file)), seconds)
    found["real_time"] = found.get("controlled", found["alone"]) / rate
    observed = env.observation_space
    found["events"] = isinstance(observed, spaces.Dict) and "events" in observed.spaces
    found["ms_a_reset"], found["growth_mb"], found["files"] = resets(env, times)
    env.close()
    found["passed"] = found["real_time"] >= WANTED[found["events"]] and not found["files"]
    found["passed"] = bool(found["passed"] and found["growth_mb"] <= GROWTH)
    return found


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="worlds (default: all of PyBullet's)")
    parser.add_argument("--quick", action="store_true", help="50 resets, a second of steps")
    options = parser.parse_args(arguments)
    names = [name.removeprefix("sim_worlds:") for name in options.ids]
    names = names or [name for name in WORLDS if world_class(name).metadata.get("compared_with")]
    times, seconds = (50, 1.0) if options.quick else (1000, SECONDS)
    print("| world | steps a second | with controller | times real time | ms a reset | MB more | files more |")
    print("|---" * 7 + "|")
    figures: dict[str, Any] = {}
    for name in names:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            one = figures[name] = pool.apply(measure, (name, times, seconds))
        with_it = f"{one['controlled']:,.0f}" if "controlled" in one else "-"
        print(
            f"| {name} | {one['alone']:,.0f} | {with_it} | {one['real_time']:.1f} | {one['ms_a_reset']:.2f} "
            f"| {one['growth_mb']:.2f} | {one['files']} |",
            flush=True,
        )
    return {**figures, "passed": all(one["passed"] for one in figures.values())}


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:])["passed"] else 1)
