"""``python -m tools.robustness [PAGE ...]``: the section *Robustness* of the gallery's pages, with its picture.

Plays each shipped controller and the first baseline of its world with each perturbation (`run --robustness`), and
writes docs/images/robustness_PAGE.png and the table into docs/gallery/PAGE.md. Takes up to half an hour for a page.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from snn_control.analysis.robustness import UNITS, Robustness
from snn_control.cli.episodes import World
from snn_control.cli.robustness import measure
from snn_control.errors import counted
from snn_control.report.robustness import robustness_picture, rows_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
SEED, COLOURS = 6000, 48


@dataclass(frozen=True)
class Measured:
    """A shipped controller and the episodes in which it is measured."""

    world: str
    controller: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    episodes: int = 5


PAGES = {
    "arm": Measured("ArmUnknownLoad-v0", "arm", {"duration": 20}, 3),
    "event_landing": Measured("EventLanding-v0", "event_landing"),
    "kuka": Measured("KukaPayload-v0", "kuka", {"duration": 8}, 3),
    "lidar_course": Measured("LidarCourse-v0", "lidar_course", {"obstacles": 8}),
    "line_following": Measured("LineFollowing-v0", "line_following"),
    "pan_tilt": Measured("PanTiltTracking-v0", "event_tracker", {"duration": 4, "frequency": 0.8}, 3),
    "quadrotor_attitude": Measured("QuadrotorAttitude-v0", "quadrotor_attitude"),
    "quadruped": Measured("QuadrupedWalk-v0", "quadruped", {"duration": 15}),
    "swing_up": Measured("CartPoleSwingUp-v0", "swing_up"),
}


def table(found: Robustness) -> str:
    """Return the table in Markdown."""
    columns, rows = rows_of(found)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def section(page: str, one: Measured, found: Robustness) -> str:
    """Return the text of the section."""
    given = " ".join(f"--arg {name}={value}" for name, value in one.arguments.items())
    command = f"snn_control run --env sim_worlds:{one.world}{' ' * bool(given)}{given} --robustness"
    command += f" --episodes {one.episodes} --seed {SEED} {one.controller}"
    shown = re.sub(r"(.{60,100}?) (?=--)", r"\1 \\\n    ", command, count=1)
    return f"""## Robustness

The table lists the share of the unperturbed score that remains with each [perturbation](../howto/robustness.md) (mean
of {counted(one.episodes, "episode")}). The columns *below half* name the values at which less than a half
remains; *no* means that more always remains.

![Share of the score over each perturbation](../images/robustness_{page}.png)

{table(found)}

<!-- not run: takes minutes -->
```bash
{shown}
```
"""


def save(path: Path, png: bytes) -> None:
    """Write a picture with few colours, which takes a third of the bytes."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def write(page: str, text: str) -> None:
    """Put the section into a page of the gallery: in place of the former one, or before *Commands*."""
    path = DOCS / "gallery" / f"{page}.md"
    old = re.sub(r"## Robustness\n.*?(?=\n## )", "", path.read_text(), flags=re.DOTALL).replace("\n\n\n", "\n\n")
    path.write_text(old.replace("## Commands\n", f"{text}\n## Commands\n", 1))


def main(pages: list[str]) -> None:
    for page in pages or PAGES:
        one = PAGES[page]
        world = World(one.controller, f"sim_worlds:{one.world}", one.arguments)
        found = measure(world, one.episodes, SEED, len(os.sched_getaffinity(0)), show=True)
        save(DOCS / "images" / f"robustness_{page}.png", robustness_picture(found).png)
        write(page, section(page, one, found))
        print(f"{page}: {len(found.sweeps)} perturbations of {len(UNITS)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
