"""The workloads in other simulators, one in each process: ``python -m benchmarks.peer_networks NAME WORKLOAD``.

Imports only NumPy and the simulator, so that it runs in any environment. Each simulator is used as its documentation
recommends for a closed loop: a new input before and the spikes after each step, one thread, float32, sparse if it can.
The equations are the simulator's own, so spikes agree in rate, but not one by one.

Protocol: a line "ready" (or "failed: why") when the network is built. Then for each line on stdin, a number of seconds,
one line of JSON: median us per step, and spikes per step.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from .workloads import DECAY, DECAY_SYN, INPUTS, SIZES, TAU_MEM, TAU_SYN, inputs, layers, recurrent

Run = Callable[[float], tuple[float, float]]  # seconds -> us per step, spikes per step
Step = Callable[[np.ndarray], np.ndarray]  # input -> flags or counts of the neurons

MS = 1e3
TABLE = [np.ascontiguousarray(row) for row in inputs()]


def in_steps(step: Step) -> Run:
    """Return a function that measures the median time of calls of ``step``."""
    clock, done = time.perf_counter_ns, [0]

    def run(seconds: float) -> tuple[float, float]:
        spent, spikes, end = [], 0, clock() + int(seconds * 1e9)
        while not spent or clock() < end:
            x = TABLE[done[0] % len(TABLE)]
            begin = clock()
            fired = step(x)
            spent.append(clock() - begin)
            spikes += int(np.count_nonzero(fired))
            done[0] += 1
        return float(np.median(spent)) / 1e3, spikes / len(spent)

    return run


# Brian2 ----------------------------------------------------------------------------------------------------------
def brian2_network(b: Any, workload: str) -> tuple[list[Any], Any, Step]:
    """Return groups and synapses; the group whose spikes count; a function that sets the input of the first group."""
    equations = """dv/dt = (isyn + bias + x - v) / (20*ms) : 1
                   disyn/dt = -isyn / (5*ms) : 1
                   bias : 1
                   x : 1"""

    def group(n: int) -> Any:
        return b.NeuronGroup(n, equations, threshold="v >= 1", reset="v = 0", method="exact")

    def connected(pre: Any, post: Any, sources: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> Any:
        synapses = b.Synapses(pre, post, "w : 1", on_pre="isyn_post += w")
        synapses.connect(i=sources, j=targets)
        synapses.w = weights
        return synapses

    if workload == "A":
        groups = [group(n) for n in SIZES[1:]]
        for g, (_, bias) in zip(groups, layers(), strict=True):
            g.bias = bias
        synapses = []
        for k in (1, 2):
            w = layers()[k][0]
            post, pre = np.indices(w.shape)
            synapses.append(connected(groups[k - 1], groups[k], pre.ravel(), post.ravel(), w.ravel()))
        into = layers()[0][0]
        return [*groups, *synapses], groups[-1], setter(groups[0], lambda x: into @ x)
    r = recurrent(workload)
    one = group(r.n)
    one.bias, one.v = r.bias, r.v_init
    sources = np.repeat(np.arange(r.n), r.targets.shape[1])
    synapses = [connected(one, one, sources, r.targets.ravel(), r.weights.ravel())]
    channels = np.arange(r.n) % INPUTS
    return [one, *synapses], one, setter(one, lambda x: x[channels])


def setter(group: Any, project: Step) -> Step:
    """Return a function that sets the input current of a group of Brian2's."""
    current = group.variables["x"].get_value()

    def set_input(x: np.ndarray) -> np.ndarray:
        current[:] = project(x)
        return current

    return set_input


def brian2(workload: str) -> Run:
    """One long run, with a network operation that reads the spikes and sets the input between two steps."""
    import brian2 as b

    b.BrianLogger.suppress_hierarchy("brian2")
    b.prefs.core.default_float_dtype = np.float32
    b.defaultclock.dt = b.ms
    objects, last, set_input = brian2_network(b, workload)
    fired = last.variables["_spikespace"]
    stamps, spikes = [], [0]

    @b.network_operation(when="end")
    def between() -> None:
        spikes[0] += int(fired.get_value()[-1])
        stamps.append(time.perf_counter_ns())
        set_input(TABLE[len(stamps) % len(TABLE)])

    network, guess = b.Network(*objects, between), [50.0]

    def run(seconds: float) -> tuple[float, float]:
        stamps.clear()
        spikes[0] = 0
        n = max(5, int(seconds * 1e6 / guess[0]))
        network.run(n * b.ms)
        guess[0] = float(np.median(np.diff(stamps))) / 1e3
        return guess[0], spikes[0] / n

    run(0.05)  # compiles
    return run


# Nengo -----------------------------------------------------------------------------------------------------------
def nengo(workload: str) -> Run:
    """`Simulator.step`; neurons of gain 1, with lowpass synapses."""
    import nengo as n

    n.rc["precision"]["bits"] = "32"
    x = np.zeros(INPUTS, np.float32)

    def ensemble(bias: np.ndarray) -> Any:
        lif = n.LIF(tau_rc=TAU_MEM, tau_ref=0.0, amplitude=1e-3)  # a spike is 1
        return n.Ensemble(bias.size, 1, neuron_type=lif, gain=np.ones(bias.size), bias=bias)

    def sparse(rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, shape: tuple[int, int]) -> Any:
        return n.Sparse(shape, indices=np.stack([rows, columns], axis=1), init=weights)

    with n.Network() as model:
        before: Any = n.Node(lambda _: x, size_out=INPUTS)
        if workload == "A":
            for k, (w, bias) in enumerate(layers()):
                last = ensemble(bias)
                jump = 1.0 if k == 0 else 1 / (1 - DECAY_SYN)
                n.Connection(before, last.neurons, transform=w * jump, synapse=TAU_SYN)
                before = last.neurons
        else:
            r = recurrent(workload)
            last, each = ensemble(r.bias), np.arange(r.n)
            transform = sparse(each, each % INPUTS, np.ones(r.n), (r.n, INPUTS))
            n.Connection(before, last.neurons, transform=transform, synapse=None)
            sources, weights = np.repeat(each, r.targets.shape[1]), r.weights.ravel() / (1 - DECAY_SYN)
            transform = sparse(r.targets.ravel(), sources, weights, (r.n, r.n))
            n.Connection(last.neurons, last.neurons, transform=transform, synapse=TAU_SYN)
    simulator = n.Simulator(model, dt=1e-3, progress_bar=False)
    fired = simulator.signals[simulator.model.sig[last.neurons]["out"]]

    def step(given: np.ndarray) -> np.ndarray:
        x[:] = given
        simulator.step()
        return fired

    return in_steps(step)


# PyTorch ---------------------------------------------------------------------------------------------------------
def norse_cell(n: int) -> tuple[Callable, float]:
    import norse.torch as norse
    import torch

    parameters = norse.LIFParameters(tau_syn_inv=torch.tensor(1 / TAU_SYN), tau_mem_inv=torch.tensor(1 / TAU_MEM))
    cell, state = norse.LIFCell(parameters, dt=1e-3), [None]

    def call(current: Any) -> Any:
        spikes, state[0] = cell(current, state[0])
        return spikes

    return call, 1e-3 / TAU_SYN


def snntorch_cell(n: int) -> tuple[Callable, float]:
    import snntorch
    import torch

    cell = snntorch.Synaptic(alpha=DECAY_SYN, beta=DECAY, threshold=1 / (1 - DECAY), reset_mechanism="zero")
    state = [torch.zeros(n), torch.zeros(n)]

    def call(current: Any) -> Any:
        spikes, state[0], state[1] = cell(current, state[0], state[1])
        return spikes

    return call, 1 - DECAY_SYN


def spikingjelly_cell(n: int) -> tuple[Callable, float]:
    import torch
    from spikingjelly.activation_based import neuron

    cell, isyn = neuron.LIFNode(tau=1 / (1 - DECAY)).eval(), torch.zeros(n)  # its synapse is for spikes of 0 or 1

    def call(current: Any) -> Any:
        isyn.mul_(DECAY_SYN).add_(current)
        return cell(isyn)

    return call, 1 - DECAY_SYN


def sinabs_cell(n: int) -> tuple[Callable, float]:
    from sinabs.activation import MembraneReset, SingleSpike
    from sinabs.layers import LIF

    cell = LIF(tau_mem=MS * TAU_MEM, tau_syn=MS * TAU_SYN, spike_fn=SingleSpike, reset_fn=MembraneReset()).eval()
    return lambda current: cell((current / DECAY_SYN).view(1, 1, n)).view(n), 1 - DECAY_SYN  # it decays what arrives


def with_torch(make: Callable[[int], tuple[Callable, float]]) -> Callable[[str], Run]:
    """Make a network of cells and linear layers, with the recurrent weights as a CSR matrix."""

    def build(workload: str) -> Run:
        import torch

        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        if workload == "A":
            chain = []
            for k, (w, bias) in enumerate(layers()):
                cell, jump = make(bias.size)
                linear = torch.nn.Linear(*w.shape[::-1])
                linear.weight.data = torch.tensor(w * (jump if k == 0 else 1.0), dtype=torch.float32)
                linear.bias.data = torch.tensor(bias * jump, dtype=torch.float32)
                chain.append((linear, cell))

            def step(x: np.ndarray) -> np.ndarray:
                signal = torch.from_numpy(x)
                for linear, cell in chain:
                    signal = cell(linear(signal))
                return signal.numpy()
        else:
            r = recurrent(workload)
            cell, jump = make(r.n)
            order = np.argsort(r.targets.ravel(), kind="stable")
            first = np.concatenate([[0], np.cumsum(np.bincount(r.targets.ravel(), minlength=r.n))])
            matrix = torch.sparse_csr_tensor(
                torch.tensor(first),
                torch.tensor(order // r.targets.shape[1]),
                torch.tensor(r.weights.ravel()[order]),
                (r.n, r.n),
            )
            bias, channels = torch.tensor(r.bias * np.float32(jump)), torch.arange(r.n) % INPUTS
            spikes = [torch.zeros(r.n)]

            def step(x: np.ndarray) -> np.ndarray:
                current = torch.from_numpy(x)[channels] * jump + bias + torch.mv(matrix, spikes[0])
                spikes[0] = cell(current)
                return spikes[0].numpy()

        def without_gradients(x: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return step(x)

        return in_steps(without_gradients)

    return build


PEERS: dict[str, Callable[[str], Run]] = {
    "brian2": brian2,
    "nengo": nengo,
    "norse": with_torch(norse_cell),
    "snntorch": with_torch(snntorch_cell),
    "spikingjelly": with_torch(spikingjelly_cell),
    "sinabs": with_torch(sinabs_cell),
}


@contextmanager
def undisturbed() -> Any:
    """Return a context in which all threads of this process have SCHED_FIFO if it is granted."""

    def all_threads(policy: int, priority: int) -> None:
        for task in map(int, os.listdir("/proc/self/task")):
            with suppress(OSError):
                os.sched_setscheduler(task, policy, os.sched_param(priority))

    all_threads(os.SCHED_FIFO, 10)
    try:
        yield
    finally:
        all_threads(os.SCHED_OTHER, 0)


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of a simulator must not mix with the answers

    def say(text: str) -> None:
        print(text, file=answers, flush=True)

    try:
        run = PEERS[sys.argv[1]](sys.argv[2])
        run(0.1)
    except Exception as error:
        say(f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        raise
    say("ready")
    for line in sys.stdin:
        with undisturbed():
            us, spikes = run(float(line))
        say(json.dumps({"us": us, "spikes": spikes}))


if __name__ == "__main__":
    main()
