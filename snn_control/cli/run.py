"""``snn_control run``: a controller in a Gymnasium environment."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from ..controller import Controller
from ..errors import DescriptionError
from ..spaces import check_action
from ..training.rollout import episode
from .common import add_command, controller_path, keywords, make_environment, print_json, table, whole

MORE = """\
examples:
  snn_control run --env CartPole-v1 cartpole
  snn_control run --env sim_worlds:PanTiltTracking-v0 --arg frequency=0.3 --episodes 3 pan_tilt
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "run", run, "run a controller in a Gymnasium environment", MORE)
    parser.add_argument("file", metavar="FILE", help="controller file, or the name of a shipped one")
    parser.add_argument("--env", required=True, metavar="ID", help="any registered environment, or module:ID")
    parser.add_argument("--arg", action="append", default=[], metavar="KEY=VALUE", help="argument of the environment")
    parser.add_argument("--episodes", type=whole(1), default=5, help="how many (default 5)")
    parser.add_argument("--seed", type=whole(0), default=0, help="seed of the first episode (default 0)")
    parser.add_argument("--steps", type=whole(1), default=None, help="end an episode after so many steps")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    from rich.progress import track

    controller = Controller.load(controller_path(options.file))
    env = make_environment(options.env, keywords(options.arg))
    outputs = {name: (output["size"], output["actions"] or None) for name, output in controller.outputs.items()}
    try:
        check_action(outputs, env.action_space)
    except DescriptionError as error:
        raise error.in_file(options.file) from None
    rows = []
    seeds = range(options.seed, options.seed + options.episodes)
    for seed in track(seeds, description="episodes", disable=options.json):
        start = time.perf_counter()
        rewards, info = episode(env, controller, seed, options.steps)
        seconds, counted = time.perf_counter() - start, controller.counters()
        simulated = counted["ticks"] * controller.program.facts["period"]
        row = {
            "seed": seed,
            "steps": len(rewards),
            "return": float(rewards.sum()),
            "us_a_step": seconds / max(1, len(rewards)) * 1e6,
            "spikes_a_second": sum(counted["spikes"].values()) / simulated,
            "synaptic_operations_a_second": counted["synaptic_operations"] / simulated,
            "faults": counted["guard"]["faults"],
            "safe_ticks": counted["guard"]["safe_ticks"],
        }
        if "score" in info:
            row |= {f"score.{key}": float(value) for key, value in info["score"].items()}
        rows.append(row)
    env.close()
    mean = float(np.mean([row["return"] for row in rows]))
    if options.json:
        print_json({"environment": options.env, "controller": options.file, "episodes": rows, "mean_return": mean})
    else:
        columns = list(rows[0])
        table(f"{options.file} in {options.env}", columns, [[row[c] for c in columns] for row in rows])
        print(f"mean return {mean:.6g} over {len(rows)} episodes")
        if safe := sum(row["safe_ticks"] for row in rows):
            print(f"the guard gave the safe command for {safe:,} ticks: an input was missing, stale or not plausible")
    return 0
