"""The iiwa with 3 kg: the shipped controller, the same network learning from zero here and in nengo, and PID.

Nengo has the LIF neurons, PD torques, rule, rate and filters of ``kuka``. A network from zero learns only in the 40 s
of an episode; ``kuka`` begins with trained weights. The root mean square of the joint error [rad] is measured from 30 s
to 40 s, the CPU time of the process over an episode of ``sim_worlds:KukaPayload-v0``, including the world.

``python -m benchmarks.kuka_nengo``; the row of nengo needs ``pip install nengo``, which is no dependency.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np

from sim_worlds.kuka.baselines import PID
from sim_worlds.kuka.robot import TORQUES
from snn_control.controller import Controller
from snn_control.controller_file import ControllerSpec, load_spec
from snn_control.resources import shipped

SEED, LOAD = 5000, 3.0  # seed of the first episode; kg
Choose = Callable[[dict[str, np.ndarray]], np.ndarray]


def from_zero(spec: ControllerSpec) -> ControllerSpec:
    """Return the controller without its learned weights."""
    net = spec.network
    kept = tuple(one if one.learning is None else replace(one, weights=0.0) for one in net.projections)
    return replace(spec, network=replace(net, projections=kept))


def ours(spec: ControllerSpec) -> Choose:
    controller = Controller.from_spec(spec)
    return lambda observation: controller.predict(observation)[0]


def nengos(spec: ControllerSpec) -> Choose:
    """Make a function that chooses torques by nengo's PES on the granule cells of ``kuka``, from zero; nengo is stepped
    with the arm."""
    import nengo

    parts = {one.name: one for one in spec.network.populations}
    between = {(one.pre, one.post): one for one in spec.network.projections}
    cells, rule = parts["granule"], between["granule", "learned"].learning

    def gain(pre: str, post: str) -> np.ndarray:
        return np.broadcast_to(between[pre, post].weights, 7)

    def encoders(pre: str) -> np.ndarray:
        """Return (cells, 7), the weights of the cells, as they are drawn."""
        drawn, found = between[pre, "granule"], np.zeros((7, cells.size))
        pointers, post = drawn.connection.rows(7, cells.size)
        found[np.repeat(np.arange(7), np.diff(pointers)), post] = drawn.weights.sample(len(post))
        return found.T

    motion, pd, torque, before = np.zeros(21), np.zeros(7), np.zeros(7), np.zeros(7)
    keeps = np.exp(-spec.dt / parts["before"].neuron.tau_mem)

    def take(t: float, learned: np.ndarray) -> None:
        torque[:] = pd + learned

    with nengo.Network(seed=1) as model:
        ensemble = nengo.Ensemble(
            cells.size, 21, encoders=np.hstack([encoders(name) for name in ("angle", "speed", "acceleration")]),
            normalize_encoders=False, gain=np.ones(cells.size), bias=cells.bias.sample(cells.size),
            neuron_type=nengo.LIF(tau_rc=cells.neuron.tau_mem, tau_ref=cells.neuron.refractory),
        )  # fmt: skip
        nengo.Connection(nengo.Node(lambda t: motion), ensemble, synapse=None)
        command, wrong = nengo.Node(take, size_in=7), nengo.Node(lambda t: gain("pd", "wrong") * pd)
        pes = nengo.PES(rule.learning_rate, pre_synapse=nengo.Lowpass(rule.pre_tau))
        synapse = parts["learned"].neuron.tau_mem
        learned = nengo.Connection(
            ensemble, command, function=lambda x: np.zeros(7), synapse=synapse, learning_rule_type=pes
        )
        nengo.Connection(wrong, learned.learning_rule, synapse=None)
    simulator = nengo.Simulator(model, dt=spec.dt, progress_bar=False)

    def choose(observation: dict[str, np.ndarray]) -> np.ndarray:
        speed = observation["target_velocity"]
        before[:] = keeps * before + (1.0 - keeps) * speed
        motion[:7] = gain("target_position", "angle") * observation["target_position"] + parts["angle"].bias
        motion[7:14] = gain("target_velocity", "speed") * speed
        motion[14:] = gain("target_velocity", "acceleration") * speed + gain("before", "acceleration") * before
        pd[:] = sum(gain(name, "pd") * numbers for name, numbers in observation.items())
        simulator.step()
        return np.clip(torque, -TORQUES, TORQUES)

    return choose


def pid() -> Choose:
    one = PID()
    return lambda observation: one.predict(observation)[0]


def episode(choose: Choose, seed: int) -> tuple[float, float]:
    """Return score [rad] and CPU time [s] of an episode."""
    world = gymnasium.make("sim_worlds:KukaPayload-v0", load=LOAD, disable_env_checker=True)
    (observation, info), over, begun = world.reset(seed=seed), False, time.process_time()
    while not over:
        observation, _, _, over, info = world.step(choose(observation))
    world.close()
    return info["score"]["rms_error"], time.process_time() - begun


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kuka_nengo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--episodes", type=int, default=20)
    options = parser.parse_args(arguments)
    spec = load_spec(shipped("kuka"))
    sides: dict[str, Callable[[], Choose]] = {
        "kuka": lambda: ours(spec),
        "from zero": lambda: ours(from_zero(spec)),
        "nengo, from zero": lambda: nengos(spec),
        "PID": pid,
    }
    try:
        import nengo  # noqa: F401
    except ModuleNotFoundError:
        print("nengo is not installed: pip install nengo, into an environment of its own")
        del sides["nengo, from zero"]
    figures = {}
    for name, make in sides.items():
        rms, cpu = np.transpose([episode(make(), SEED + k) for k in range(options.episodes)])
        print(
            f"{name:16} rms median {np.median(rms):.4f}, least {rms.min():.4f}, most {rms.max():.4f} rad; "
            f"{np.median(cpu):.2f} CPU s",
            flush=True,
        )
        figures[name] = {"rms": rms.tolist(), "cpu": cpu.tolist()}
    return figures


if __name__ == "__main__":
    main()
