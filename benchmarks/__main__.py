"""``python -m benchmarks [NAME ...] [--quick]``: run measurements and collect their figures in runs/bench.json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np

from snn_control.files import replace_text

from .processes import exit_code

NAMES = (
    "engine", "calls", "walks", "peers", "build", "plasticity", "plugins", "events_decode", "events_files",
    "events_filters", "event_camera", "frames", "wakeup", "latency", "stop", "burst", "burst_dds", "pan_tilt", "arm",
    "worlds",
    "world_speed", "parity", "training", "training_peers", "live_page", "soak",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="short runs, for a first look")
    options = parser.parse_args()
    figures, code = {}, 0
    for name in options.names or NAMES:
        print(f"\n== {name}", flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        figures[name] = module.main(["--quick"] if options.quick else [])
        code = max(code, exit_code(figures[name]))
    path = Path("runs/bench.json")
    path.parent.mkdir(exist_ok=True)
    replace_text(path, json.dumps(figures, indent=1, default=np.generic.item))
    print(f"\nfigures: {path}")
    return code


if __name__ == "__main__":
    sys.exit(main())
