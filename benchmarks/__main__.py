"""``python -m benchmarks [NAME ...] [--quick]``: run measurements and collect their figures in runs/bench.json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from snn_control.files import replace_text

NAMES = (
    "engine", "calls", "peers", "build", "plasticity", "plugins", "events_decode", "events_filters", "event_camera",
    "wakeup", "latency", "stop", "burst", "burst_dds", "pan_tilt", "arm", "worlds", "world_speed", "parity", "training",
    "training_peers", "soak",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="short runs, for a first look")
    options = parser.parse_args()
    figures, passed = {}, True
    for name in options.names or NAMES:
        print(f"\n== {name}", flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        figures[name] = module.main(["--quick"] if options.quick else [])
        passed &= figures[name].get("passed") is not False
    path = Path("runs/bench.json")
    path.parent.mkdir(exist_ok=True)
    replace_text(path, json.dumps(figures, indent=1))
    print(f"\nfigures: {path}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
