"""The simulated event camera: its speed, a closed loop at 1 kHz on one core, renderers, and scores of a controller.

    python -m benchmarks.event_camera

Needs the extra of the worlds. Figures of a closed loop include the whole step: physics, scene, camera, controller.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np

from sim_worlds.pan_tilt import scene
from sim_worlds.pan_tilt.rendered_scene import RenderedScene
from sim_worlds.pan_tilt.scene import AnalyticScene
from sim_worlds.sensors.camera_model import PRESETS
from sim_worlds.sensors.event_camera import EventCamera
from sim_worlds.sensors.pinhole import Pinhole
from sim_worlds.sensors.rendered import egl_works
from snn_control.coding import EventsInput
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.resources import shipped

WORLD = "sim_worlds:PanTiltTracking-v0"
SIZES = ((128, 128), (240, 180), (346, 260))
SEEDS = (1, 2, 3)
BAR = 1e-3  # s a step at 240 x 180 with everything on
VIEW = np.array([0.2, 0.1, 0.3, 0.15, 0.06, 1.2, 0.3, 1.0, 2.0])


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Return a context in which everything runs on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def shipped_for(size: tuple[int, int], name: str = "pan_tilt") -> Controller:
    """Load a shipped controller for a camera of another size."""
    spec = load_spec(shipped(name))

    def other(camera: EventsInput) -> EventsInput:
        return replace(camera, size=size, encoder=replace(camera.encoder, made_for=camera.size))

    inputs = tuple(other(i) if isinstance(i, EventsInput) else i for i in spec.inputs)
    return Controller.from_spec(replace(spec, inputs=inputs))


def swings(size: tuple[int, int], n: int) -> list[np.ndarray]:
    """Return pictures of a head that swings at up to 2 rad/s."""
    drawn = AnalyticScene(Pinhole(*size))
    wall = scene.draw_background(np.random.default_rng(0), 0.05)
    drawn.reset(VIEW, wall)
    pictures = []
    for k in range(n):
        view = VIEW.copy()
        view[0] += 0.3 * math.sin(2.0 / 0.3 * k * 1e-3)
        pictures.append(drawn.step(view).copy())
    return pictures


def camera_speed(size: tuple[int, int], steps: int) -> dict[str, Any]:
    """Measure steps of 1 ms with all effects: median [s], pixels and events per second of computing."""
    pictures = swings(size, steps)
    camera = EventCamera(size, "noisy", capacity=1 << 16)
    camera.reset(pictures[0], 1)
    times, events = [], 0
    for picture in pictures[1:]:
        start = time.perf_counter()
        _, n, _ = camera.observe(picture)
        times.append(time.perf_counter() - start)
        events += n
    median = statistics.median(times)
    return {"size": size, "step": median, "pixels": size[0] * size[1] / median, "events": events / sum(times)}


def timed(call: Callable, spent: list[float]) -> Callable:
    """Wrap ``call`` so that the CPU time of each call [s] is appended to ``spent``."""

    def measured(*arguments: Any) -> Any:
        start = time.thread_time()
        result = call(*arguments)
        spent.append(time.thread_time() - start)
        return result

    return measured


def closed_loop(size: tuple[int, int], duration: float) -> dict[str, Any]:
    """Measure the whole step with the noisy camera on one core: mean, p99 [s] and the share of each part.

    ``mean`` and ``p99`` are wall time. ``core``, ``core_p99`` and the shares are CPU time of the core, which other
    processes of a busy machine do not lengthen.
    """
    world: Any = gymnasium.make(WORLD, size=size, camera="noisy", duration=duration).unwrapped
    controller = shipped_for(size)
    parts: dict[str, list[float]] = {"scene": [], "camera": [], "controller": []}
    (sensor,) = world.sensors
    sensor.scene.step = timed(sensor.scene.step, parts["scene"])
    sensor.camera.observe = timed(sensor.camera.observe, parts["camera"])
    predict = timed(controller.predict, parts["controller"])
    with one_core():
        observation, _ = world.reset(seed=1)
        steps: list[float] = []
        computed: list[float] = []
        done = False
        while not done:
            start, core = time.perf_counter(), time.thread_time()
            observation, _, _, done, _ = world.step(predict(observation)[0])
            computed.append(time.thread_time() - core)
            steps.append(time.perf_counter() - start)
    world.close()
    total = sum(computed)
    return {
        "size": size,
        "mean": sum(steps) / len(steps),
        "p99": float(np.percentile(steps, 99)),
        "core": total / len(computed),
        "core_p99": float(np.percentile(computed, 99)),
        **{name: sum(spent) / total for name, spent in parts.items()},
    }


def frames_a_second(size: tuple[int, int], egl: bool, n: int) -> float:
    """Return the frames of the rendered wall and target per second of CPU time of all threads together."""
    drawn = RenderedScene(Pinhole(*size), 1, egl)
    drawn.reset(VIEW, scene.draw_background(np.random.default_rng(0), 0.05))
    times = []
    for _ in range(n):
        start = time.process_time()
        drawn.step(VIEW)
        times.append(time.process_time() - start)
    drawn.close()
    return 1.0 / statistics.median(times)


def score(duration: float, **options: Any) -> dict[str, float]:
    """Return the tracking error of the shipped controller with a camera for which it was not made [degrees]."""
    world: Any = gymnasium.make(WORLD, duration=duration, **options).unwrapped
    controller = shipped_for(options.get("size", (128, 128)))
    errors, lost, events = [], 0.0, 0
    for seed in SEEDS:
        observation, info = world.reset(seed=seed)
        controller.reset()
        done = False
        while not done:
            observation, _, _, done, info = world.step(controller.predict(observation)[0])
            events += info["events"]
        errors.append(math.degrees(info["score"]["rms_error"]))
        lost += info["score"]["lost"] / len(SEEDS)
    world.close()
    rate = events / (duration * len(SEEDS))
    return {"median": statistics.median(errors), "worst": max(errors), "lost": lost, "events": rate}


def print_speed(rows: list[dict[str, Any]], loops: list[dict[str, Any]]) -> None:
    """Print two tables."""
    print("camera with all effects    step [us]   Mpixel/s   events/s")
    for r in rows:
        name = "x".join(map(str, r["size"]))
        print(f"  {name:22s} {r['step'] * 1e6:10.0f} {r['pixels'] * 1e-6:10.0f} {r['events']:10.2g}")
    print("closed loop, one core      mean [us]   p99 [us]   of the core   p99   scene  camera  controller")
    for r in loops:
        shares = f"{r['scene']:7.0%} {r['camera']:7.0%} {r['controller']:7.0%}"
        print(
            f"  {'x'.join(map(str, r['size'])):22s} {r['mean'] * 1e6:10.0f} {r['p99'] * 1e6:10.0f}"
            f" {r['core'] * 1e6:12.0f} {r['core_p99'] * 1e6:7.0f} {shares}"
        )


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks event_camera", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="short runs")
    options = parser.parse_args(arguments)
    steps, duration = (300, 2.0) if options.quick else (2000, 11.0)
    speeds = [camera_speed(size, steps) for size in SIZES]
    loops = [closed_loop(size, duration) for size in SIZES]
    print_speed(speeds, loops)
    renderers = {"tiny": False, **({"egl": True} if egl_works() else {})}
    frames = []
    for name, egl in renderers.items():
        for size in SIZES:
            frames.append({"renderer": name, "size": size, "rate": frames_a_second(size, egl, 20 if egl else 60)})
            print(f"  {name} {size[0]}x{size[1]}: {frames[-1]['rate']:.0f} frames a second of CPU time", flush=True)
    print("the shipped controller       median   worst [deg]   lost   events/s")
    fast = replace(PRESETS["noisy"], cutoff=0.0)
    cameras: dict[str, dict[str, Any]] = {
        "default": {},
        "clean": {"camera": "clean"},
        "noisy": {"camera": "noisy"},
        "noisy, no low-pass": {"camera": fast},
        "240x180": {"size": (240, 180)},
        "240x180 noisy": {"size": (240, 180), "camera": "noisy"},
        "240x180 noisy, no low-pass": {"size": (240, 180), "camera": fast},
        "rendered, 100 Hz": {"scene": "rendered"},
        "rendered, 200 Hz": {"scene": "rendered", "frame_rate": 200.0},
    }
    scores = {}
    for name, camera in cameras.items():
        r = scores[name] = score(duration, **camera)
        print(f"  {name:26s} {r['median']:7.2f} {r['worst']:7.2f} {r['lost']:12.2f} {r['events']:10.0f}", flush=True)
    kept = loops[1]["core"] < BAR
    spent = f"{loops[1]['core'] * 1e3:.2f} ms of a core's time a step of 1 ms"
    print(f"{'PASS' if kept else 'FAIL'} 240x180 with all effects: {spent}")
    return {"camera": speeds, "loop": loops, "frames": frames, "scores": scores, "passed": kept}


if __name__ == "__main__":
    sys.exit(0 if main()["passed"] else 1)
