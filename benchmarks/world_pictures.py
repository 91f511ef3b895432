"""``python -m benchmarks.world_pictures [FILE]``: make docs/images/worlds.png, each world run by its controller."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import gymnasium
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from sim_worlds import WORLDS
from snn_control.cli.worlds import world_class
from snn_control.controller import Controller
from snn_control.resources import controller_path

FILE = "docs/images/worlds.png"
COLUMNS, SEED = 3, 5000
SECONDS = 3.0  # time of the picture in an episode, unless the episode ends before
DPI, SIDE = 72, 3.4  # dots an inch, inches of a picture


def picture(name: str) -> np.ndarray:
    """Return (rows, columns, 3) uint8 of an episode after `SECONDS`."""
    env = gymnasium.make(f"sim_worlds:{name}", render_mode="rgb_array", disable_env_checker=True)
    controller = Controller.load(controller_path(env.metadata["controller"]))
    observation, _ = env.reset(seed=SEED)
    drawn, steps = env.render(), round(SECONDS * env.metadata["render_fps"])
    for k in range(steps):
        observation, _, terminated, truncated, _ = env.step(controller.act(observation, env.action_space))
        if terminated or truncated:
            break
        if k % max(1, steps // 20) == 0 or k == steps - 1:
            drawn = env.render()
    env.close()
    return np.asarray(drawn)


def main(arguments: Sequence[str] | None = None) -> None:
    names = [name for name in WORLDS if world_class(name).metadata.get("controller")]
    rows = math.ceil(len(names) / COLUMNS)
    figure, places = plt.subplots(rows, COLUMNS, figsize=(COLUMNS * SIDE, rows * 0.8 * SIDE), layout="constrained")
    for place in np.ravel(places):
        place.axis("off")
    for name, place in zip(names, np.ravel(places), strict=False):
        place.imshow(picture(name))
        place.set_title(name.removesuffix("-v0"), fontsize=10)
    figure.savefig((arguments or [FILE])[0], dpi=DPI)


if __name__ == "__main__":
    main(sys.argv[1:])
