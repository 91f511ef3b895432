"""Delay, gains and noise that `snn_control identify` finds in worlds with drawn settings.

``python -m benchmarks.identify [ID ...]``: 50 records, ten of each world in `WORLDS` (``--each N``: N). In one, the
shipped controller acts in an episode with a drawn delay of 0 to 4 steps and a drawn gain of 0.8 to 1.2 for each number
of the action. Every second record has noise of 0.2 % of the range. The response of a world is computed once.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from snn_control.controller import Controller
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.identification.identify import Simulation, identify


class Drawn(NamedTuple):
    """A world whose settings are drawn, and the number of steps of a record."""

    controller: str
    steps: int
    arguments: Mapping[str, Any]


WORLDS = {
    "CartPoleSwingUp-v0": Drawn("swing_up", 1000, {}),
    "QuadrotorAttitude-v0": Drawn("quadrotor_attitude", 4000, {}),
    "PanTiltTracking-v0": Drawn("event_tracker", 4000, {}),
    "LineFollowing-v0": Drawn("line_following", 2000, {}),
    "ArmUnknownLoad-v0": Drawn("arm", 6000, {"load": 1.5}),
}
DELAYS, GAINS, NOISE = 5, (0.8, 1.2), 0.002


def measure(name: str, each: int) -> None:
    """Identify ``each`` records of a world, and print the errors."""
    one = WORLDS[name]
    simulation = Simulation(
        functools.partial(make, f"sim_worlds:{name}", one.arguments), Controller.load(one.controller), one.steps
    )
    rng, m = np.random.default_rng([7, len(name)]), simulation.low.size
    late, wrong, covered = [], [], []
    begin = time.perf_counter()
    for k in range(each):
        delay, gains, noise = int(rng.integers(DELAYS)), rng.uniform(*GAINS, m), NOISE * (k % 2)
        perturb = {"action_delay": delay} | ({"observation_noise": noise} if noise else {})
        record = simulation.play(-1 - k, perturb, gains)
        found = identify(simulation, record, [str(i) for i in range(record[0].seen.shape[1])])
        late.append(abs(found.delay - delay))
        wrong.append(np.abs(np.array(found.gains) / gains - 1).tolist())
        covered += [low <= g <= high for g, (low, high) in zip(gains, found.gain_intervals, strict=True)]
        print(
            f"{name} {k}: delay {delay} found {found.delay:.2f}, gains wrong by "
            f"{', '.join(f'{100 * e:.1f}' for e in wrong[-1])} %, noise {noise} found {max(found.noise.values()):.4f}",
            flush=True,
        )
    flat = np.concatenate(wrong)
    cells = [
        name, each, f"{np.mean(np.array(late) <= 0.5):.0%}", f"{np.max(late):.2f}", f"{np.mean(flat <= 0.05):.0%}",
        f"{100 * np.median(flat):.1f}", f"{np.mean(covered):.0%}", f"{(time.perf_counter() - begin) / each:.0f}",
    ]  # fmt: skip
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="*", metavar="ID", help="worlds (default: all)")
    parser.add_argument("--each", type=int, default=10, help="records of each world")
    options = parser.parse_args()
    print(
        "| world | records | delay within 0.5 | largest error [steps] | gains within 5 % | median [%] | covered | s |"
    )
    print("|---" * 8 + "|")
    for name in options.worlds or WORLDS:
        measure(name, options.each)


if __name__ == "__main__":
    main()
