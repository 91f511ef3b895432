"""``snn_control run``: a controller in a Gymnasium environment."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from ..controller import Controller
from ..errors import DescriptionError
from ..record.inputs import InputRecorder
from ..resources import controller_path
from ..spaces import check_action, check_observation
from ..training.rollout import episode
from .common import add_command, keywords, make_environment, print_json, table, whole

MORE = """\
examples:
  snn_control run --env CartPole-v1 cartpole
  snn_control run --env sim_worlds:PanTiltTracking-v0 --arg frequency=0.3 --episodes 3 pan_tilt
  snn_control run --env CartPole-v1 --episodes 1 --record recorded.npz cartpole
  snn_control plot --input recorded.npz cartpole
"""

#: heading -> key of an episode's row in the JSON
COLUMNS = {
    "seed": "seed", "steps": "steps", "return": "return", "us/step": "us_a_step", "spikes/s": "spikes_a_second",
    "syn.ops/s": "synaptic_operations_a_second", "faults": "faults", "safe": "safe_ticks",
}  # fmt: skip


def add_to(commands: Any) -> None:
    parser = add_command(commands, "run", run, "run a controller in a Gymnasium environment", MORE)
    parser.add_argument("file", metavar="FILE", help="controller file, or the name of a shipped one")
    parser.add_argument("--env", required=True, metavar="ID", help="any registered environment, or module:ID")
    parser.add_argument("--arg", action="append", default=[], metavar="KEY=VALUE", help="argument of the environment")
    parser.add_argument("--episodes", type=whole(1), default=5, help="how many (default 5)")
    parser.add_argument("--seed", type=whole(0), default=0, help="seed of the first episode (default 0)")
    parser.add_argument("--steps", type=whole(1), default=None, help="end an episode after so many steps")
    text = "write what the controller is given in the first episode, for --input of plot, check and bench"
    parser.add_argument("--record", default=None, metavar="NPZ", help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    from rich.progress import track

    controller = Controller.load(controller_path(options.file, "FILE"))
    env = make_environment(options.env, keywords(options.arg))
    outputs = {name: (output["size"], output["actions"] or None) for name, output in controller.outputs.items()}
    try:
        check_action(outputs, env.action_space)
        check_observation(controller.inputs, env.observation_space)
    except DescriptionError as error:
        raise error.in_file(options.file) from None
    recorder = InputRecorder(controller.program.facts, controller.repeat) if options.record else None
    rows = []
    seeds = range(options.seed, options.seed + options.episodes)
    for seed in track(seeds, description="episodes", disable=options.json):
        start = time.perf_counter()
        record = recorder.add if recorder is not None and seed == options.seed else None
        rewards, info = episode(env, controller, seed, options.steps, record)
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
        if record is not None and recorder is not None:
            recorder.save(options.record)
    env.close()
    mean = float(np.mean([row["return"] for row in rows]))
    if options.json:
        print_json({"environment": options.env, "controller": options.file, "episodes": rows, "mean_return": mean})
    else:
        _print(f"{options.file} in {options.env}", rows)
        print(f"mean return {mean:.6g} over {len(rows)} episodes")
        if safe := sum(row["safe_ticks"] for row in rows):
            print(f"the guard gave the safe command for {safe:,} ticks: an input was missing, stale or not plausible")
        if recorder is not None:
            print(f"recorded: {options.record}, {recorder.text}")
    return 0


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    """Tables of the episodes: their costs, within 80 columns, then their scores."""
    table(title, list(COLUMNS), [[row[key] for key in COLUMNS.values()] for row in rows])
    scores = list(dict.fromkeys(key for row in rows for key in row if key.startswith("score.")))
    if scores:
        columns = ["seed", *(key.removeprefix("score.") for key in scores)]
        table("scores", columns, [[row["seed"], *(row.get(key, "-") for key in scores)] for row in rows])
