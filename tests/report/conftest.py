"""A made-up run with every array and key that a report can show."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from snn_control.report.event_plots import event_arrays
from tests.report.moving_bar import bar


@pytest.fixture
def summary() -> dict[str, Any]:
    return {
        "title": "Gaze control with an event camera",
        "verdict": "PASS: follows the target to 1.42° rms, no tick missed",
        "controller": "gaze.yaml",
        "world": "sim_worlds/Gaze-v0",
        "seed": 7,
        "duration_s": 20.0,
        "tracking": {
            "spiking network": {"rms_deg": 1.42, "max_deg": 6.1},
            "PID on true error": {"rms_deg": 0.81, "max_deg": 4.0},
            "PID on event centroid": {"rms_deg": 2.3, "max_deg": 9.2},
            "no control": {"rms_deg": 7.9, "max_deg": 15.0},
        },
        "loop": {
            "ticks": 20_000,
            "missed": 0,
            "wakeup_us": {"p50": 4.1, "p99": 11.8, "p999": 34.0, "max": 71.3},
            "latency_us": {"p50": 412.0, "p99": 981.0, "p999": 1104.0, "max": 1190.0},
            "tick_us": {"p50": 24.0, "p99": 41.0, "p999": 66.0, "max": 92.0},
        },
        "network": {
            "spikes_per_s": 48_210.0,
            "synaptic_operations_per_s": 12.4e6,
            "accumulates_per_s": 11.9e6,
            "activation_sparsity": 0.9973,
            "events_per_s": 181_000.0,
            "estimated_microwatt": 13.2,
        },
        "rights": {"priority": "SCHED_FIFO 80", "memory locked": True, "cpu pinned": False},
        "versions": {"snn_control": "0.1.0", "numpy": np.__version__},
    }


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return dict(made_up())


@functools.cache
def made_up() -> dict[str, np.ndarray]:
    duration, spikes = 20.0, 90_000
    rng = np.random.default_rng(3)
    t = np.arange(0.0, duration, 0.01)
    target = np.radians(np.stack([14 * np.sin(1.1 * t) + 5 * np.sin(2.9 * t), 8 * np.sin(0.7 * t + 1)], axis=1))
    noise = np.cumsum(rng.normal(0, 0.05, (len(t), 2)), axis=0)
    head = np.roll(target, 6, axis=0) + np.radians(0.35 * (noise - noise.mean(0)))
    head[:8] = 0.0
    k, h, w = 8, 96, 128
    frame_t = np.linspace(0.5, duration - 0.5, k)
    y, x = np.mgrid[:h, :w]
    frames = np.empty((k, h, w, 3), np.uint8)
    for i in range(k):
        cx, cy = 64 + 30 * np.sin(i), 48 + 15 * np.cos(2 * i)
        ball = (x - cx) ** 2 + (y - cy) ** 2 < 12**2
        frames[i] = (120 + 40 * ((x // 16 + y // 16) % 2))[..., None]
        frames[i][ball] = (190, 60, 40)
    names, sizes = ["camera ON", "camera OFF", "map", "motor"], np.array([256, 256, 1024, 64])
    spike_population = rng.choice(4, spikes, p=[0.25, 0.25, 0.3, 0.2])
    spike_t = np.sort(rng.uniform(0, duration, spikes))
    drift = 0.5 + 0.35 * np.sin(1.1 * spike_t + spike_population)
    spike_neuron = np.clip((drift + rng.normal(0, 0.07, spikes)) * sizes[spike_population], 0, None)
    spike_neuron = np.minimum(spike_neuron.astype(np.int64), sizes[spike_population] - 1)
    arrays: dict[str, Any] = {
        "t": t, "target": target, "head": head, "error": np.degrees(np.hypot(*(target - head).T)),
        "axis_names": np.array(["Pan", "Tilt"]), "frames": frames, "frame_t": frame_t,
        "command": np.gradient(head, t, axis=0), "command_names": np.array(["pan", "tilt"]),
        "command_unit": np.array("rad/s"),
        "spike_t": spike_t, "spike_population": spike_population, "spike_neuron": spike_neuron,
        "population_names": np.array(names), "population_sizes": sizes,
    }  # fmt: skip
    arrays |= event_arrays(bar(64, 48, seconds=duration, steps=400))
    edges = np.concatenate([np.arange(32), 32 * 2 ** (np.arange(0, 32 * 20) / 32)])
    for name, centre, spread in (("wakeup", 4e3, 0.4), ("latency", 4.2e5, 0.35), ("tick", 2.4e4, 0.22)):
        sample = centre * np.exp(spread * rng.standard_t(5, 20_000) / 1.3)
        arrays[f"{name}_edges_ns"] = edges
        arrays[f"{name}_counts"] = np.histogram(sample, edges)[0]
    for array in arrays.values():
        array.setflags(write=False)  # every test gets the same ones
    return arrays
