"""An arm with an unknown load: online learning here and in nengo, compared with PD and PID.

The arm, its path and its loads are those of ``sim_worlds:ArmUnknownLoad-v0``. Both networks have the same encoders,
gains and biases of 1,000 LIF neurons, the same PD torques, learning rate and filters. The root mean square of the joint
error [rad] is measured from 40 s to 50 s, the CPU time of the process over the first 40 s, including the world.

``python -m benchmarks arm``; the row of nengo needs ``pip install nengo``, which is no dependency.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from examples.recipes import arm
from sim_worlds.arm.baselines import PD, PID
from snn_control.controller import Controller

WORLD, LOADS = "sim_worlds:ArmUnknownLoad-v0", (0.5, 1.5, 2.5)
LEARNED_FOR, DT = 40_000, arm.DT  # steps of an episode before those that count
Choose = Callable[[dict[str, np.ndarray]], np.ndarray]


def ours(seed: int) -> Choose:
    controller = Controller.from_spec(arm.make(START, seed))
    return lambda observation: controller.predict(observation)[0]


START = {name: start for name, (start, _) in arm.PARAMETERS.items()}


def nengos(seed: int) -> Choose:
    """Make a function that chooses torques by nengo's PES on the ensemble of the recipe ``arm``; nengo is stepped with
    the arm."""
    import nengo

    tuning = arm.ensemble(seed).tuning
    given, torque = np.zeros(8), np.zeros(2)
    gains = np.hstack([np.diag(arm.STIFFNESS), np.diag(arm.DAMPING)])
    neuron = nengo.LIF(tau_rc=0.02, tau_ref=0.002)
    scale = np.array([START["angles"]] * 2 + [START["speeds"]] * 2)
    middle = np.array([*arm.MIDDLE, 0.0, 0.0])

    def take(t: float, learned: np.ndarray) -> None:
        torque[:] = gains @ (given[4:] - given[:4]) + learned

    with nengo.Network(seed=seed) as model:
        state = nengo.Node(lambda t: (given[:4] - middle) / scale)
        wrong = nengo.Node(lambda t: gains @ (given[:4] - given[4:]))
        ensemble = nengo.Ensemble(
            arm.NEURONS, 4, neuron_type=neuron, encoders=tuning.encoders, gain=tuning.gain, bias=tuning.bias
        )
        nengo.Connection(state, ensemble, synapse=None)
        command = nengo.Node(take, size_in=2)
        rule = nengo.PES(START["learning_rate"], pre_synapse=nengo.Lowpass(0.01))
        learned = nengo.Connection(ensemble, command, function=lambda x: [0, 0], synapse=0.01, learning_rule_type=rule)
        nengo.Connection(wrong, learned.learning_rule, synapse=None)
    simulator = nengo.Simulator(model, dt=DT, progress_bar=False)

    def choose(observation: dict[str, np.ndarray]) -> np.ndarray:
        names = "joint_position", "joint_velocity", "target_position", "target_velocity"
        given[:] = np.concatenate([observation[name] for name in names])
        simulator.step()
        return np.clip(torque, -arm.LIMITS, arm.LIMITS)

    return choose


def classical(kind: type) -> Callable[[int], Choose]:
    def make(seed: int) -> Choose:
        one = kind()
        return lambda observation: one.predict(observation)[0]

    return make


def episode(choose: Choose, load: float, seed: int) -> dict[str, Any]:
    """Return the rms error [rad], also for each second, and the CPU time [s] of an episode."""
    world = gymnasium.make(WORLD, load=load, disable_env_checker=True)
    observation, _ = world.reset(seed=seed)
    begun, seconds, over, errors = time.process_time(), 0.0, False, []
    while not over:
        observation, reward, _, over, info = world.step(choose(observation))
        errors.append(reward)
        if len(errors) == LEARNED_FOR:
            seconds = time.process_time() - begun
    world.close()
    curve = np.sqrt(np.mean(np.square(errors).reshape(-1, 1000), axis=1))
    return {"rms": info["score"]["rms_error"], "cpu": seconds, "curve": curve}


def draw(figures: dict[str, Any], path: str) -> None:
    """Draw the errors over time, root mean square of all episodes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3), layout="constrained")
    for name, found in figures.items():
        curve = np.sqrt(np.mean(np.square(found["curve"]), axis=0))
        axes.semilogy(np.arange(len(curve)) + 0.5, curve, label=name)
    axes.axhline(0.035, color="0.6", linewidth=0.8, linestyle=":")
    axes.set(xlabel="time [s]", ylabel="joint error, rms of each second [rad]", xlim=(0, 50))
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    figure.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.arm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed and load")
    parser.add_argument("--picture", metavar="FILE", help="draw the errors over time")
    options = parser.parse_args(arguments)
    sides: dict[str, Callable[[int], Choose]] = {"PD": classical(PD), "PID": classical(PID), "here": ours}
    try:
        import nengo  # noqa: F401

        sides["nengo"] = nengos
    except ModuleNotFoundError:
        print("nengo is not installed: pip install nengo, into an environment of its own")
    cases = [(load, seed) for load in LOADS for seed in (1, 2, 3)]
    figures: dict[str, Any] = {}
    for name, make in sides.items():
        rows = [episode(make(seed), load, seed) for load, seed in (cases[-1:] if options.quick else cases)]
        found = {key: [row[key] for row in rows] for key in rows[0]}
        figures[name] = found
        rms = found["rms"]
        said = f"mean {np.mean(rms):.4f}, worst {max(rms):.4f} rad; {np.median(found['cpu']):.2f} CPU s for 40 s"
        print(f"{name:6} rms after 40 s: {said}", flush=True)
        if name in ("here", "nengo"):
            print("       ", *(f"{load:g} kg, seed {seed}: {x:.4f};" for (load, seed), x in zip(cases, rms)))
    if options.picture:
        draw(figures, options.picture)
    return {name: {key: np.array(found[key]).tolist() for key in ("rms", "cpu")} for name, found in figures.items()}


if __name__ == "__main__":
    main()
