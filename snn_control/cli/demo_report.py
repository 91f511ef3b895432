"""Make the report of ``snn_control demo`` about a closed loop over ROS 2, from the files of its two processes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..coding import EventsInput
from ..controller_file import ControllerSpec
from ..network import LI
from ..training.environments.gymnasium_calls import baselines_of
from ..training.environments.play_episode import play
from .common import make_environment

if TYPE_CHECKING:
    from sim_worlds.core import Goal, Tracking

    from ..controller import Controller

__all__ = ["Finished", "commanded", "judged", "roughness", "score", "span_of_commands", "stages_a_second"]

MATRIX = re.compile(r"projections\[(.+)\]")  # label of a projection
CLOSED_SHARE = 0.9  # least share of steps in which a command of the last 0.1 s acted; without one the action is zero
FRAMES = (0.002, 0.03, 0.2, 0.4, 0.6, 0.8)  # times of the pictures, as shares of the run

ABOUT_THE_CRITERIA = "They distinguish a broken installation from a working one and are not a benchmark"
ABOUT_THE_BASELINES = (
    "The baselines run in Gymnasium with the same seed, not over DDS and not in real time: a command acts in the very "
    "next step. {}Change: rms of the command's change from one step to the next, over all axes{}. "
    "Full swings: how often a command goes from one limit to the other, averaged over the axes."
)
ABOUT_THE_LOOP = (
    "Wake-up: how late a tick begins. The thread sleeps until 30 µs before a tick is due, and then watches the clock. "
    "So half of the ticks begin within 0.1 µs, and p50 is 0. Sensor to command: from the stamp of a tick's "
    "newest message until its command is published: DDS, waiting for the next tick, and the tick."
)
ABOUT_THE_STEPS = "Skipped: periods of real time in which the world made no step, because it was too late."


def score(tracking: Tracking, error: Any, step: float) -> dict[str, float]:
    """Return statistics of the tracking error from the time ``tracking.scored_from`` to the end of an episode.

    error : (steps,) tracking errors
    step : time from one error to the next [s]
    """
    scored = np.asarray(error)[round(tracking.scored_from / step) :] * tracking.scale
    return {
        f"rms_{tracking.unit}": round(float(np.sqrt(np.mean(scored**2))), 3),
        f"median_{tracking.unit}": round(float(np.median(scored)), 3),
        f"max_{tracking.unit}": round(float(scored.max()), 2),
        "lost_share": round(float(np.mean(scored > tracking.lost)), 4),
    }


def roughness(commands: Any, limit: Any, step: float, scored_from: float) -> dict[str, float]:
    """Return two measures of the roughness of commands from the time ``scored_from`` [s] on.

    They are the rms of the changes from step to step, and the rate of swings from one limit to the opposite limit.

    commands : (steps, axes) commands
    limit : largest absolute value of a command, as a number or as an (axes,) array
    step : time from one command to the next [s]
    """
    given = np.asarray(commands, np.float64)[round(scored_from / step) :]
    change = np.diff(given, axis=0)
    ends = np.sign(given) * (np.abs(given) >= limit)
    swings = sum(np.count_nonzero(np.diff(axis[axis != 0])) for axis in ends.T)
    return {
        "change_rms": round(float(np.sqrt(np.mean(np.sum(change**2, axis=1)))), 3),
        "full_swings_per_s": round(swings / given.shape[1] / (len(given) * step), 2),
    }


def commanded(actions: Any) -> float:
    """Return the fraction of the steps in which the command was not zero.

    actions : (steps, axes), commands that the world applied
    """
    return float((actions != 0).any(axis=1).mean()) if len(actions) else 0.0


def span_of_commands(commands: Any) -> tuple[int, int]:
    """Return the index of the first nonzero command, and the number of zero commands between the first and the last.

    A zero command is the safe command. The world starts with the first nonzero command.

    commands : (ticks, axes), commands of the controller
    """
    moving = np.flatnonzero(np.any(commands != 0, axis=1))
    return (int(moving[0]), int(moving[-1] - moving[0] + 1 - moving.size)) if moving.size else (0, 0)


def judged(
    tracking: Tracking | None, row: dict[str, float], share: float, goal: Goal | None = None
) -> dict[str, dict[str, Any]]:
    """Judge a closed loop by criteria: name of the criterion -> measured value, required value, and whether it is met.

    row : result of `score` if the world has a tracking task, otherwise the scores of the world
    share : fraction of the steps with a command, see `commanded`
    """
    rows = [("a command in", f"at least {CLOSED_SHARE:.0%}", f"{share:.1%} of the steps", share >= CLOSED_SHARE)]
    if tracking is not None:
        unit = "°" if tracking.unit == "deg" else f" {tracking.unit}"
        rms, lost = row[f"rms_{tracking.unit}"], row["lost_share"]
        since, most = f"error from {tracking.scored_from:g} s on", tracking.closed
        rows = [
            (since, f"at most {most:g}{unit} rms", f"{rms:.2f}{unit} rms", rms <= most),
            ("target lost", f"never more than {tracking.lost:g}{unit} away", f"{lost:.1%} of the time", lost == 0),
            *rows,
        ]
    if goal is not None:
        bounds = {"at least": goal.at_least, "at most": goal.at_most}
        wanted = " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if np.isfinite(bound))
        found = row.get(goal.score, float("nan"))  # an episode that was stopped has no score
        rows = [(goal.score.replace("_", " "), wanted, f"{found:.3g}", goal.at_least <= found <= goal.at_most), *rows]
    return {name: {"found": found, "wanted": wanted, "met": bool(met)} for name, wanted, found, met in rows}


def stages_a_second(stages: dict[str, dict[str, Any]], steps_per_s: float) -> dict[str, dict[str, Any]]:
    """Convert the result of `snn_control.engine.workload.stages` from numbers per step to numbers per second."""
    found: dict[str, dict[str, Any]] = {}
    for name, one in stages.items():
        done = one["accumulates"] + one["multiply_accumulates"]
        most, share = next(iter(one["most"].items()), ("none", 0.0))
        most = MATRIX.sub(r"\1", most).removeprefix("outputs.")
        spiking = one["neurons"] > 0
        found[name] = {
            "neurons": one["neurons"] if spiking else None,
            "spikes_per_s": round(one["spikes"] * steps_per_s, 1) if spiking else None,
            "active_share": f"{one['spikes'] / one['neurons']:.2%}" if spiking else None,
            "accumulates_per_s": round(one["accumulates"] * steps_per_s),
            "multiply_accumulates_per_s": round(one["multiply_accumulates"] * steps_per_s),
            "dense_per_s": round(one["dense"] * steps_per_s),
            "done_share": f"{done / one['dense']:.2%}" if one["dense"] else None,
            "most_of_it": f"{most}, {share:.0%}" if done else "none",
        }
    return found


def about_the_stages(spec: ControllerSpec) -> str:
    """Return a text for the report about the operations in each stage of a tick, mainly in stages without spikes."""
    graded = [p.name for p in spec.network.populations if isinstance(p.neuron, LI)]
    said = ["AC: a spike adds a weight.", "MAC: a value that is not a spike is multiplied by a weight."]
    if any(isinstance(i, EventsInput) for i in spec.inputs):
        said += ["In the encoder, the pooled events are such values."]
    if graded:
        which = f"In the network, the values of {' and '.join(graded)} are: graded neurons, which reach their targets"
        said += [f"{which} in every step, whether anything spikes or not."]
    return " ".join([*said, "The decoder only adds weights of spikes."])


def network_summary(counters: dict[str, Any], microwatt: float, seconds: float, steps_per_s: float) -> dict[str, Any]:
    """Return a summary of the network's activity and cost, as plain data.

    counters : result of `snn_control.controller.Controller.counters`
    microwatt : estimated power of the network [uW]
    seconds : duration of the run [s]
    """
    load, events = counters["workload"], [one["events"] for one in counters["inputs"].values() if "events" in one]
    silent = load["activation_sparsity"]  # None if nothing spikes
    return {
        "spikes_per_s": round(sum(counters["spikes"].values()) / seconds, 1),
        **({"events_per_s": round(sum(events) / seconds, 1)} if events else {}),
        "synaptic_operations_per_s": round(counters["synaptic_operations"] / seconds, 1),
        **{f"{key}_per_s": round(n * steps_per_s, 1) for key, n in load["synaptic_operations"].items()},
        "connection_sparsity": round(load["connection_sparsity"], 4),
        "activation_sparsity": None if silent is None else round(silent, 5),
        "footprint_bytes": sum(load["footprint"].values()),
        "estimated_microwatt": round(microwatt, 3),
    }


def loop_times(stats: dict[str, Any], period: float) -> dict[str, Any]:
    """Return the numbers of ticks and of missed ticks of a loop, and percentiles of its latencies [us].

    stats : statistics of the loop
    period : period of the loop [s]
    """
    names = {"p50": "p50", "p99": "p99", "p999": "p99.9", "max": "max"}
    times = {
        name: {k: round(stats[key][q] / 1e3, 1) for k, q in names.items() if stats[key]["count"]}
        for name, key in (("wakeup_us", "wake"), ("latency_us", "latency"), ("tick_us", "tick"))
    }
    return {"ticks": stats["ticks"], "missed": stats["missed"], "period_us": period * 1e6, **times}


def about_the_guard(between: int) -> str:
    """Return a note on faults and safe ticks, which normally occur only before the first and after the last command.

    between : number of safe ticks between the controller's first and last command
    """
    # the camera is a required input, so each stale tick is a safe tick
    rest = f"all but {between} safe ticks are from then" if between else "all faults, safe, stale ticks are from then"
    return (
        "While it waits, before its first command and after its last, the controller gives the safe command: "
        f"{rest}. Clamped: values beyond an output's limits, held there."
    )


def circumstances(rights: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the part of the summary about this machine and its software.

    rights : the real-time rights that the system granted to the loop
    """
    from ..record.provenance import commit, machine, software
    from ..ros.ports.transport import middleware

    versions = software("numpy", "numba", "rclpy", "pybullet", "gymnasium")
    return {
        "rights": {
            "SCHED_FIFO priority": rights["priority"],
            "memory locked": rights["memory_locked"],
            "missing": "; ".join(rights["missing"]) or "nothing",
        },
        "made": {
            "commit": commit(),
            "seeds": f"world {seed}; the controller draws nothing at random",
            **machine(),
            **middleware(),
        },
        "versions": versions,
    }


@dataclass
class Finished:
    """A run that has ended: the data that the processes of world and controller wrote.

    The run also has new instances of its world and controller, which the report uses.
    """

    options: argparse.Namespace
    settings: dict[str, Any]
    folder: Path
    env: Any
    spec: ControllerSpec
    controller: Controller

    def __post_init__(self) -> None:
        from ..record.run_folder import read_record

        self.world, self.facts = read_record(self.folder / "world.npz")
        self.activity, self.report = read_record(self.folder / "controller.npz")
        self.step = self.facts["step_ns"] * 1e-9
        self.commands = self.world["action"].reshape(len(self.world["step"]), -1)
        self.tracking: Tracking | None = self.env.metadata.get("tracking")
        self.goal: Goal | None = None if self.tracking else self.env.metadata.get("goal")
        self.duration = len(self.commands) * self.step
        units = {output.unit for output in self.spec.outputs}
        self.command_unit = units.pop() if len(units) == 1 else ""
        self.cameras = [i for i in self.spec.inputs if isinstance(i, EventsInput)]

    def row(self, error: Any, scores: Mapping[str, float], commands: Any) -> dict[str, float]:
        """Return one row of the report's table: the scores of an episode, and the roughness of its commands.

        error : (steps,) tracking errors from the world's info; None if the world tracks nothing
        scores : the world's scores of the episode
        commands : (steps, axes) commands
        """
        limit, tracking = getattr(self.env.action_space, "high", np.inf), self.tracking
        if tracking is None:
            return {name: round(float(x), 4) for name, x in scores.items()} | roughness(commands, limit, self.step, 0.0)
        return score(tracking, error, self.step) | roughness(commands, limit, self.step, tracking.scored_from)

    def summary(self) -> dict[str, Any]:
        """Return all texts and numbers of the report as plain data."""
        from ..report.event_plots import event_counters

        options, facts = self.options, self.facts
        stats, counters = self.report["stats"], self.report["counters"]
        seconds = stats["ticks"] * self.spec.period
        steps_per_s = counters["ticks"] * self.controller.program.steps / seconds
        share, inputs = commanded(self.commands), [camera.name for camera in self.cameras]
        mode = "lockstep" if options.lockstep else "real time"
        return {
            "title": f"{self.env.metadata.get('title', options.env)}, closed over ROS 2 ({mode})",
            "about_the_pictures": self.env.metadata.get("pictures", ""),
            **self.tracked(share),
            "loop": loop_times(stats, self.spec.period),
            "about_the_loop": "" if options.lockstep else ABOUT_THE_LOOP,
            "stages": stages_a_second(self.report["stages"], steps_per_s),
            "about_the_stages": about_the_stages(self.spec),
            "network": network_summary(counters, self.report["estimated_microwatt"], seconds, steps_per_s),
            "events": {n: event_counters(counters["inputs"][n], stats["inputs"][n]) for n in inputs},
            "guard": counters["guard"],
            "about_the_guard": about_the_guard(span_of_commands(self.activity["command"])[1]),
            "world_steps": {
                "steps": facts["steps"],
                "skipped": facts["skipped"],
                "not_recorded": facts["dropped_steps"],
                "with_a_command": f"{share:.1%}",
            },
            "about_the_world_steps": ABOUT_THE_STEPS,
            **circumstances(self.report["rights"], options.seed),
        }

    def tracked(self, share: float) -> dict[str, Any]:
        """Return the part of the summary about the world's tracking task.

        share : fraction of the steps with a command, see `commanded`
        """
        options, tracking = self.options, self.tracking
        scores = {name.removeprefix("score."): x[0] for name, x in self.world.items() if name.startswith("score.")}
        row = self.row(self.world[f"info.{tracking.error}"] if tracking else None, scores, self.commands)
        criteria = judged(tracking, row, share, self.goal)
        closed = all(one["met"] for one in criteria.values())
        found = "; ".join(f"{name} {one['found']} ({one['wanted']})" for name, one in criteria.items())
        unit = f" [{self.command_unit}]" if self.command_unit else ""
        notes = "".join(f"{one.note} " for one in baselines_of(self.env).values() if one.note)
        return {
            "verdict": f"PASS: the loop was closed: {found}" if closed else f"FAIL: the loop was not closed: {found}",
            "criteria": criteria,
            "about_the_criteria": ABOUT_THE_CRITERIA + (f": {tracking.note}" if tracking and tracking.note else "."),
            "controller": Path(self.spec.path).name, "world": f"{options.env} {self.settings}", "seed": options.seed,
            "duration_s": round(self.duration, 6), "scored_from_s": tracking.scored_from if tracking else 0.0,
            "tracking": {"spiking network, over DDS": row},
            "about_the_tracking": "" if options.no_baselines else ABOUT_THE_BASELINES.format(notes, unit),
        }  # fmt: skip

    def arrays(self) -> dict[str, Any]:
        """Return the arrays for the report's figures."""
        from ..realtime.histogram import HEADER, edges
        from ..report.event_plots import event_arrays, events_of_episode
        from ..report.run_pictures import named_arrays

        spec, world, activity, step = self.spec, self.world, self.activity, self.step
        begin = span_of_commands(activity["command"])[0] * self.controller.program.steps
        spike_t = (activity["spike_step"] - begin) * spec.dt
        during = (spike_t >= 0) & (spike_t <= self.duration)
        arrays: dict[str, Any] = {
            **named_arrays(spec, self.controller.program, activity["population_names"].tolist()),
            "t": world["step"] * step,
            "command": self.commands,
            "spike_t": spike_t[during],
            "spike_population": activity["spike_population"][during],
            "spike_neuron": activity["spike_neuron"][during],
        }
        if self.tracking is not None:
            arrays["target"] = world[f"info.{self.tracking.target}"]
            arrays["head"] = world[f"observation.{self.tracking.head}"]
            arrays["error"] = world[f"info.{self.tracking.error}"] * self.tracking.scale
            arrays["axis_names"] = np.array(self.tracking.axes)
        for camera in self.cameras[:1]:
            arrays |= event_arrays(events_of_episode(world, camera.name, step, *camera.size))
        for name, key in (("wakeup", "wake"), ("latency", "latency"), ("tick", "tick")):
            if self.report["stats"][key]["count"]:
                arrays[f"{name}_edges_ns"] = edges()
                arrays[f"{name}_counts"] = activity[f"{key}_histogram"][HEADER:].copy()
        return arrays

    def row_of(self, baseline: Any) -> dict[str, float]:
        """Play an episode with a classical controller of the world, without ROS. Return its `row` of the table."""
        infos, commands = [], []

        def choose(observation: Any, info: Any) -> Any:
            infos.append(info)
            commands.append(baseline.predict(observation, info)[0])
            return commands[-1]

        baseline.reset()
        _, last = play(self.env, choose, self.options.seed)
        error = [info[self.tracking.error] for info in (*infos[1:], last)] if self.tracking else None
        return self.row(error, last.get("score", {}), np.reshape(commands, (len(commands), -1)))

    def frames(self) -> dict[str, Any]:
        """Return pictures of the run and their times [s]; there are none if the world cannot draw pictures.

        To draw the pictures, the recorded actions are applied again. The world is deterministic, so the second run is
        identical to the first.
        """
        if "rgb_array" not in self.env.metadata["render_modes"]:
            return {}
        env = make_environment(self.options.env, self.settings, disable_env_checker=True, render_mode="rgb_array")
        actions = self.world["action"].astype(env.action_space.dtype)
        wanted = sorted({round(len(actions) * share) for share in FRAMES})
        frames, steps = [], iter(range(len(actions)))

        def again(observation: Any, info: Any) -> Any:
            k = next(steps)
            if k in wanted:
                frames.append(env.render())
            return actions[k]

        play(env, again, self.options.seed, wanted[-1] + 1)
        env.close()
        return {"frames": np.array(frames), "frame_t": np.array(wanted[: len(frames)]) * self.step}
