"""A kernel of a plug-in compared with ours of the same form: the LIF of examples/plugin, and our LIF.

A constant current makes populations of neurons without projections fire at about 35 Hz, dt 1 ms, so a step is one call
of the neuron kernel. Both are stepped in rounds of one compiled loop, interleaved in one process. A pair is built
several times, because the addresses of its arrays matter by some percent. The result is the median of the pairs'
ratios. Ours compared with ours in the same way shows the error of the method.

Ours can also subtract at the reset, so the plug-in's loop has a little less to do.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from snn_control.coding import MembraneDecoder, Output
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.tick import tick_address
from snn_control.network import LI, LIF, Network, NeuronModel, Population
from snn_control.realtime.loop import Loop

from .engine import undisturbed
from .processes import NO_FIFO, exit_code, verdict

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "plugin"
SIZES, DT, BAR = (128, 1024, 8192), 1e-3, 1.05


def metadata(package: Path, folder: Path) -> None:
    """Write the package's metadata into ``folder``, which will be on the path, as an installer would write it."""
    text = (package / "pyproject.toml").read_text(encoding="utf-8")
    name, version = (re.search(rf'^{key} = "(.+)"', text, re.MULTILINE)[1] for key in ("name", "version"))  # type: ignore[index]
    group, entry = re.search(r'\[project\.entry-points\."(.+)"\]\n(.+)', text).groups()  # type: ignore[union-attr]
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry.replace(chr(34), '')}\n")


def loop_of(neuron: NeuronModel, n: int) -> Loop:
    network = Network((Population("a", n, neuron, bias=1.3), Population("l", 1, LI())))
    output = Output("u", (MembraneDecoder("l", 1.0),))
    one = Controller(build(network, [], [output], dt=DT, period=DT))
    return Loop(tick_address(), one.bound.table, one.period_ns, (), mode="free", keep=one)


def ratio(n: int, rounds: int, theirs: NeuronModel) -> float:
    """Return the ratio of the times of a step, theirs over our LIF's: the median over rounds of one pair."""
    loops = loop_of(LIF(), n), loop_of(theirs, n)
    steps, times = max(300, 2_000_000 // n), np.empty((rounds, 2))
    for k in range(-2, rounds):
        for side in (0, 1) if k % 2 else (1, 0):
            begin = time.perf_counter()
            loops[side].run(steps)
            times[k, side] = 1e6 * (time.perf_counter() - begin) / steps
    return float(np.median(times[:, 1] / times[:, 0]))


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks plugins", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer pairs")
    pairs = 3 if parser.parse_args(arguments).quick else 9
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        metadata(EXAMPLE, Path(folder))
        sys.path[:0] = [folder, str(EXAMPLE)]
        from snn_control_example.lif_again import LifAgain

        print(f"{'neurons':>8}  plug-in/ours (least to most)    ours/ours")
        with undisturbed() as granted:
            for n in SIZES:
                theirs, null = zip(*((ratio(n, 30, LifAgain()), ratio(n, 30, LIF())) for _ in range(pairs)))
                found[str(n)] = {"ratio": float(np.median(theirs)), "pairs": theirs, "ours_over_ours": null}
                print(f"{n:8}  {np.median(theirs):12.3f} ({min(theirs):.3f} to {max(theirs):.3f})", end="")
                print(f"  {np.median(null):6.3f} ({min(null):.3f} to {max(null):.3f})")
        del sys.path[:2]
    passed = all(one["ratio"] < BAR for one in found.values())
    print(verdict(passed, f"bar: a ratio under {BAR}" + ("" if granted else f"; {NO_FIFO}")))
    return found | {"passed": passed}


if __name__ == "__main__":
    sys.exit(exit_code(main()))
