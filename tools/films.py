"""``python -m tools.films [PAGE ...]``: short films of the gallery, docs/images/film_PAGE.webp, of shipped controllers.

Each shows a world in real time, as its camera sees it (``rgb_array``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from PIL import Image

from snn_control import Controller

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
RATE = 12.5  # frames a second
WIDTH = 360  # pixels
MAX_BYTES = 500_000


@dataclass(frozen=True)
class Film:
    """A world, the shipped controller that drives it, and how much of the episode is shown [s]."""

    world: str
    controller: str
    seconds: float
    seed: int = 5000
    arguments: dict[str, Any] = field(default_factory=dict)


FILMS = {
    "arm": Film("ArmUnknownLoad-v0", "arm", 8.0),
    "event_landing": Film("EventLanding-v0", "event_landing", 8.0),
    "kuka": Film("KukaPayload-v0", "kuka", 8.0, arguments={"load": 3.0}),
    "lidar_course": Film("LidarCourse-v0", "lidar_course", 10.0),
    "line_following": Film("LineFollowing-v0", "line_following", 8.0),
    "pan_tilt": Film("PanTiltTracking-v0", "event_tracker", 6.0, arguments={"frequency": 0.8}),
    "quadrotor_attitude": Film("QuadrotorAttitude-v0", "quadrotor_attitude", 6.0, arguments={"randomize": 1.0}),
    "quadruped": Film("QuadrupedWalk-v0", "quadruped", 8.0),
    "swing_up": Film("CartPoleSwingUp-v0", "swing_up", 8.0),
}


def frames(film: Film) -> list[Image.Image]:
    """The frames of a film, each ``WIDTH`` pixels wide."""
    world = gymnasium.make(f"sim_worlds:{film.world}", render_mode="rgb_array", **film.arguments)
    controller = Controller.load(film.controller)
    period = controller.period_ns * 1e-9 * controller.repeat
    observation, _ = world.reset(seed=film.seed)
    made: list[Image.Image] = []
    for step in range(round(film.seconds / period)):
        observation, _, terminated, truncated, _ = world.step(controller.act(observation, world.action_space))
        if (step + 1) * period > len(made) / RATE:
            picture = Image.fromarray(np.asarray(world.render()))
            size = WIDTH, round(picture.height * WIDTH / picture.width)
            made.append(picture.resize(size, Image.Resampling.LANCZOS))
        if terminated or truncated:
            break
    world.close()
    return made


def save(path: Path, pictures: list[Image.Image]) -> None:
    """Write an animated WebP of at most `MAX_BYTES`, with the best quality that fits."""
    for quality in (80, 65, 50, 35, 20):
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=round(1000 / RATE), loop=0,
                         quality=quality, method=6, minimize_size=True)  # fmt: skip
        if path.stat().st_size <= MAX_BYTES:
            return
    raise SystemExit(f"{path}: {path.stat().st_size:,} bytes: at most {MAX_BYTES:,}; show fewer seconds")


def main(pages: list[str]) -> None:
    for page in pages or FILMS:
        path = IMAGES / f"film_{page}.webp"
        save(path, frames(FILMS[page]))
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
