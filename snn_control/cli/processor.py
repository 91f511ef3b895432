"""The option ``--target`` of ``snn_control run``, which puts an emulated processor in the control loop."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..controller import Controller
from ..errors import NO_VALUE, DescriptionError, ProgramError
from . import common

if TYPE_CHECKING:
    from ..c_export.processor import Processor, Ticks

__all__ = ["add_processor_options", "check_processor", "figures_of", "print_processor", "processor_of"]


def add_processor_options(parser: Any) -> None:
    from ..c_export.targets import TARGETS

    text = "let the exported C control from an emulated processor, and compare it with the engine: "
    parser.add_argument("--target", choices=tuple(TARGETS), metavar="PROCESSOR", help=text + ", ".join(TARGETS))
    text = "clock of the processor, for the time of a tick"
    parser.add_argument("--mhz", type=common.number(0.001, " MHz"), help=text)


def check_processor(options: argparse.Namespace) -> None:
    """Raise DescriptionError if other options are incompatible with ``--target``."""
    if options.mhz is not None and not options.target:
        raise DescriptionError("--mhz", options.mhz, "needs --target")
    if options.target and options.keep_learning:
        rule = "is not for --keep-learning: on the processor, each episode begins with the weights of the file"
        raise DescriptionError("--target", options.target, rule, "leave one of them out")


def processor_of(controller: Controller, path: Path, target: str) -> Processor:
    """Return an emulated processor that runs a controller, and whose commands replace those of the engine.

    Raise DescriptionError if the controller cannot be exported, and RuntimeFault if a package of the extra ``c`` is
    missing.
    """
    from ..c_export.export import exported
    from ..c_export.processor import Processor

    try:
        e = exported(controller.program, "controller")
    except ProgramError as error:
        raise DescriptionError(str(path), NO_VALUE, str(error)) from None
    processor = Processor(controller.bound, e, target)
    controller.observers.append(processor)
    return processor


def figures_of(options: argparse.Namespace, episodes: Mapping[int, Ticks], period: float) -> dict[str, Any]:
    """Return statistics of the emulated processor, as plain data for JSON.

    episodes : seed of an episode -> statistics of the processor's ticks in this episode
    period : control period [s]
    """
    from ..c_export.targets import TARGETS

    of = reduce(add, episodes.values())
    first = next((f"seed {seed}, {one.first}" for seed, one in episodes.items() if one.first), "")
    mean, mhz, one = of.instructions / max(1, of.ticks), options.mhz, TARGETS[options.target]
    seconds = {"mean": one.seconds(mean, mhz), "most": one.seconds(of.most, mhz)} if mhz else None
    return {
        "target": options.target, "ticks": of.ticks, "differing": of.differing, "first_difference": first,
        "instructions": {"mean": mean, "most": of.most}, "mhz": mhz, "seconds": seconds, "period": period,
    }  # fmt: skip


def print_processor(found: dict[str, Any]) -> None:
    print(f"{found['target']}, emulated, gave the commands:")
    same = "all commands, spikes and states have the bits of the engine"
    told = f"{found['differing']:,} differ from the engine, first {found['first_difference']}"
    print(f"  ticks         {found['ticks']:>11,}: {told if found['differing'] else same}")
    n, times = found["instructions"], found["seconds"]
    print(f"  instructions  {n['mean']:>11,.0f} a tick, at most {n['most']:,}")
    if times:
        mean, most, period = (1e6 * x for x in (times["mean"], times["most"], found["period"]))
        clock = f"at {found['mhz']:g} MHz, estimated; period {period:,.0f} us"
        print(f"  time          {mean:>11,.0f} us a tick, at most {most:,.0f} us, {clock}")
