"""The tables of the gallery: each world's controller, baselines and chance in each of its rows, with new seeds.

``python -m benchmarks.worlds [ID ...]``: 20 episodes a row (``--quick``: 2), with seeds from 5000 on, which no tuning
used. Prints each table in Markdown, with the controller's spikes and operations; `world_speed` has the times.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim_worlds import WORLDS
from snn_control.cli.demo_report import stages_a_second
from snn_control.cli.episodes import CHANCE, CONTROLLER, Player, World, in_processes
from snn_control.cli.worlds import world_class
from snn_control.engine.workload import stages

SEED = 5000


def play(world: World, episodes: int, jobs: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all episodes of the controller, the baselines to compare with, and chance."""
    player = Player(world)
    actors = (CONTROLLER, *(one for one in player.others() if one != CHANCE), CHANCE)
    player.env.close()
    tasks = [(who, SEED + k) for who in actors for k in range(episodes)]
    found: dict[str, list[dict[str, Any]]] = {who: [] for who in actors}
    for (who, _), row in in_processes(world, tasks, jobs):
        found[who].append(row)
    return found


def cell(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    """Return median and range of a figure over some episodes."""
    values = np.array([row.get(key, np.nan) for row in rows], np.float64)
    if np.isnan(values).all():
        return "-"
    least, most = np.nanmin(values), np.nanmax(values)
    middle = f"{np.nanmedian(values):.3g}"
    return middle if least == most else f"{middle} ({least:.3g} to {most:.3g})"


def measure(name: str, episodes: int, jobs: int) -> dict[str, Any]:
    """Return all rows of a world, and print them as tables."""
    metadata = world_class(name).metadata
    print(f"\n### sim_worlds:{name}: median (least to most) of {episodes} episodes\n")
    figures: dict[str, Any] = {}
    rows: Mapping[str, Any] = metadata.get("rows") or {"as it is": {}}
    for label, arguments in rows.items():
        begin = time.perf_counter()
        found = play(World(metadata["controller"], f"sim_worlds:{name}", arguments), episodes, jobs)
        scores = sorted({key for all_of in found.values() for row in all_of for key in row if key.startswith("score.")})
        keys = scores or ["return"]
        if not figures:
            print(f"| row | controller | {' | '.join(key.removeprefix('score.') for key in keys)} |")
            print("|---" * (2 + len(keys)) + "|")
        for who, episodes_of in found.items():
            said = metadata["controller"] if who == CONTROLLER else who
            print(f"| {label} | {said} | {' | '.join(cell(episodes_of, key) for key in keys)} |", flush=True)
        own = found[CONTROLLER]
        keys_of_cost = ("spikes_a_second", "synaptic_operations_a_second")
        cost = {key: float(np.mean([row[key] for row in own])) for key in keys_of_cost}
        figures[label] = {"actors": found, **cost, "wall_s": time.perf_counter() - begin}
    print()
    for label, one in figures.items():
        print(
            f"{label}: {one['spikes_a_second']:,.0f} spikes and {one['synaptic_operations_a_second']:,.0f} synaptic "
            "operations a second"
        )
    cost_by_stage(World(metadata["controller"], f"sim_worlds:{name}", next(iter(rows.values()))))
    return figures


def cost_by_stage(world: World) -> None:
    """Print the spikes and operations of an episode by stage."""
    player = Player(world)
    player.play(CONTROLLER, SEED)
    program = player.controller.program
    found = stages_a_second(stages(player.controller.bound), program.steps / program.facts.period)
    print("\n| stage | neurons that spike | spikes a second | accumulates a second | multiply-accumulates a second |")
    print("|---" * 5 + "|")
    for stage, one in found.items():
        keys = ("neurons", "spikes_per_s", "accumulates_per_s", "multiply_accumulates_per_s")
        print(f"| {stage} | {' | '.join('-' if one[key] is None else f'{one[key]:,.0f}' for key in keys)} |")


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="ID", help="worlds (default: all that have a controller)")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two episodes")
    options = parser.parse_args(arguments)
    names = [name.removeprefix("sim_worlds:") for name in options.ids]
    names = names or [name for name in WORLDS if world_class(name).metadata.get("controller")]
    return {name: measure(name, 2 if options.quick else options.episodes, options.jobs) for name in names}


if __name__ == "__main__":
    main(sys.argv[1:])
