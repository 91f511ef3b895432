"""``snn_control events replay --ros``: a node publishes the recording, as a world node does, for a controller node."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...analysis.event_replay import Fitted
from ...errors import RuntimeFault, in_file
from ..common import need_extra

__all__ = ["check_topics", "on_topics"]

WORLD = "sim_worlds:EventReplay-v0"


def check_topics(options: argparse.Namespace, fitted: Fitted) -> None:
    """Raise an error if a replay over ROS is not possible.

    Possible reasons are missing software, an input or output without a topic, and a setting that a node would refuse.
    """
    for module, extra in (("rclpy", "ros"), ("gymnasium", "sim")):
        need_extra(module, extra)
    from ...ros import check
    from ...ros.ports.topics import need_topics

    spec, or_else = fitted.spec, ", or leave --ros out"
    with in_file(str(options.controller)):
        need_topics("inputs", spec.inputs, spec.ros_inputs, or_else)
        need_topics("outputs", spec.outputs, spec.ros_outputs, or_else)
        check.need_types(spec)
        check.check_topics(spec)


def on_topics(
    options: argparse.Namespace, fitted: Fitted, folder: Path, say: Callable[..., None]
) -> tuple[dict[str, np.ndarray], dict[str, int], dict[str, Any]]:
    """Run the ``controller.yaml`` in the folder over ROS, and read the files that the two nodes wrote.

    Return three values: the recorded arrays (see `replay`), the counters of the slicer, and the counters of the
    controller.
    """
    from ...record.run_folder import read_record
    from ...ros.nodes.launching import closed_loop
    from ..processes import failure, run_processes

    discrete = [o.decoder.actions for o in fitted.spec.outputs if hasattr(o.decoder, "actions")]
    width, height = fitted.camera.size
    arguments = {
        "path": str(Path(options.file).resolve()), "topic": options.topic, "width": width,
        "height": height, "input": fitted.events, "period": fitted.spec.period,
        "capacity": fitted.camera.capacity, "values": dict(fitted.values), "silent": list(fitted.silent),
        "actions": sum(o.size for o in fitted.spec.outputs), "discrete": discrete[0] if discrete else 0,
        "longest_gap": options.longest_gap, "speed": (options.speed or 1.0) if options.real_time else 1.0,
        "begin": options.begin, "end": options.end, "columns": options.columns,
    }  # fmt: skip
    nodes = folder.resolve() / "nodes"  # a folder of its own, because this command uses the same file names
    nodes.mkdir(exist_ok=True)
    processes = closed_loop(
        world=WORLD, world_arguments=json.dumps(arguments), controller_file=str(folder / "controller.yaml"),
        lockstep=not options.real_time, episodes=1, record=str(nodes),
        step=fitted.spec.period / (options.speed or 1.0) if options.real_time else 0.0,
    )  # fmt: skip
    codes = run_processes(processes, nodes, say, options.json)
    if any(codes.values()):
        raise RuntimeFault(failure(nodes, codes))
    world, facts = read_record(nodes / "world.npz")
    activity, report = read_record(nodes / "controller.npz")
    if not len(world["ends"]):
        raise RuntimeFault(f"the replay was stopped before the recording's end: see {nodes}/*.log")
    if facts["dropped_steps"]:
        say(f"note: {facts['dropped_steps']:,} ticks were replayed but not recorded")
    arrays = {key: activity[key] for key in ("spike_population", "spike_neuron", "population_names")}
    arrays["overwritten_spikes"] = activity["overwritten"][1]
    arrays["spike_step"] = activity["spike_step"] - _first_tick(activity) * round(fitted.spec.period / fitted.spec.dt)
    arrays |= {
        "command": world["action"].reshape(len(world["step"]), -1),
        "tick_events": world["info.events"].astype(np.int64),
        "tick_dropped": world["info.dropped_events"].astype(np.int64),
        "late_ticks": np.array(facts["skipped"]),
    }
    sliced = {key.removeprefix("info.all_"): int(world[key][-1]) for key in world if key.startswith("info.all_")}
    return arrays, sliced, report["counters"]


def _first_tick(activity: Mapping[str, np.ndarray]) -> int:
    """Return the index of the first tick in which a controller node received an input.

    In real time, the index is not 0, because the node starts before the recording.
    """
    given = np.flatnonzero(activity["stamp_ns"] > 0)
    return int(given[0]) if given.size else 0
