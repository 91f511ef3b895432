"""What each framework does in a step, in plain NumPy float32, and what its exporter writes for it.

A layer is made from the framework's own parameters. ``step(x)`` gives its spikes (or graded values), ``nodes()`` its
NIR node. The order of operations is the framework's.
"""

from __future__ import annotations

import nir
import numpy as np

F = np.float32


def full(n, value):
    return np.full(n, value, F) if np.ndim(value) == 0 else np.asarray(value, F)


class Leaky:
    """snnTorch 1.0: Leaky, Synaptic with ``alpha``; ``recurrent`` (RLeaky) clears its input with a zero reset too."""

    def __init__(self, n, beta, threshold=1.0, mechanism="subtract", delay=True, alpha=None, recurrent=False):
        self.n, self.beta, self.threshold = n, full(n, beta), full(n, threshold)
        self.alpha = None if alpha is None else full(n, alpha)
        self.mechanism, self.delay, self.whole = mechanism, delay, recurrent or alpha is not None
        self.v, self.syn = np.zeros(n, F), np.zeros(n, F)

    def step(self, x):
        reset = (self.v > self.threshold).astype(F)
        if self.alpha is not None:
            self.syn = x = self.alpha * self.syn + x
        if self.mechanism == "zero" and self.delay:
            u = (F(1) - reset) * (self.beta * self.v + x) if self.whole else self.beta * (self.v * (F(1) - reset)) + x
        elif self.mechanism == "zero":
            u = self.beta * self.v + x
        else:
            u = (self.beta * self.v + x) - reset * self.threshold
        fired = (u > self.threshold).astype(F)
        if self.delay:
            self.v = u
        elif self.mechanism == "zero":
            self.v = u * (F(1) - fired)
        else:
            self.v = u - (fired - reset) * self.threshold
        return fired

    def node(self):
        with np.errstate(divide="ignore"):
            tau = F(1e-4) / (F(1) - self.beta)
        zero = np.zeros(self.n, F)
        common = {"r": tau / F(1e-4), "v_leak": zero, "v_threshold": self.threshold, "v_reset": zero}
        if self.alpha is None:
            return nir.LIF(tau=tau, **common)
        tau_syn = F(1e-4) / (F(1) - self.alpha)
        return nir.CubaLIF(tau_mem=tau, tau_syn=tau_syn, w_in=tau_syn / F(1e-4), **common)


class Norse:
    """norse 1.1: LIFBoxCell, LIBoxCell, LIFCell (``tau_syn``), IAFCell (no ``tau``); time constants in steps."""

    def __init__(self, n, tau=None, tau_syn=None, leak=0.0, threshold=1.0, graded=False, dt=1e-3):
        self.n, self.dt, self.graded, self.threshold, self.leak = n, F(dt), graded, full(n, threshold), full(n, leak)
        self.inverse = None if tau is None else F(1 / dt) / full(n, tau)
        self.inverse_syn = None if tau_syn is None else F(1 / dt) / full(n, tau_syn)
        self.v = self.leak.copy() if tau is not None else np.zeros(n, F)
        self.syn = np.zeros(n, F)

    def step(self, x):
        if self.inverse is None:
            u = self.v + x
        elif self.inverse_syn is None:
            u = self.v + self.dt * self.inverse * ((self.leak - self.v) + x)
        else:
            jumped = self.syn + x
            u = self.v + self.dt * self.inverse * ((self.leak - self.v) + jumped)
            self.syn = jumped - self.dt * self.inverse_syn * jumped
        if self.graded:
            self.v = u
            return u
        fired = (u > self.threshold).astype(F)
        self.v = u * (F(1) - fired)
        return fired

    def node(self):
        one = np.ones(self.n, F)
        if self.inverse is None:
            return nir.IF(r=one, v_threshold=self.threshold)
        tau = self.dt / self.inverse
        if self.graded:
            return nir.LI(tau=tau, r=one, v_leak=self.leak)
        if self.inverse_syn is None:
            return nir.LIF(tau=tau, r=one, v_leak=self.leak, v_threshold=self.threshold)
        tau_syn = self.dt / self.inverse_syn
        return nir.CubaLIF(tau_mem=tau, tau_syn=tau_syn, r=one, v_leak=self.leak, v_threshold=self.threshold)


class Sinabs:
    """sinabs 3.1: LIF, IAF (no ``tau``), ExpLeak (``graded``)."""

    def __init__(self, n, tau=None, norm=True, threshold=1.0, v_min=None, graded=False):
        self.n, self.threshold, self.v_min, self.graded = n, full(n, threshold), v_min, graded
        self.tau, self.norm, self.v = None if tau is None else full(n, tau), norm, np.zeros(n, F)

    def step(self, x):
        if self.tau is not None:
            alpha = np.exp(F(-1) / self.tau)
            self.v = alpha * self.v + ((F(1) - alpha) * x if self.norm else x)
        else:
            self.v = self.v + x
        out = self.v
        if not self.graded:
            out = np.where(self.v > 0, np.trunc(self.v / self.threshold), F(0)).astype(F)
            self.v = self.v - out * self.threshold
        if self.v_min is not None:
            self.v = np.maximum(self.v, F(self.v_min))
        return out

    def node(self):
        one, zero = np.ones(self.n, F), np.zeros(self.n, F)
        if self.tau is None:
            return nir.IF(r=one, v_threshold=self.threshold)
        if self.graded:
            return nir.LI(tau=self.tau, r=one, v_leak=zero)
        return nir.LIF(tau=self.tau, r=one, v_leak=zero, v_threshold=self.threshold)


class Jelly:
    """SpikingJelly 2.0: LIFNode, IFNode (no ``tau``), CUBALIFNode (``c_decay`` and ``v_decay``)."""

    def __init__(self, n, tau=None, decay_input=True, reset=0.0, threshold=1.0, cuba=None, dt=1e-3):
        self.n, self.tau, self.decay_input, self.cuba, self.dt = n, tau, decay_input, cuba, dt
        self.reset, self.threshold = F(reset), F(threshold)
        self.v, self.c = np.full(n, reset, F), np.zeros(n, F)

    def step(self, x):
        if self.cuba is not None:
            self.c = F(self.cuba[0]) * self.c + x
            u = F(self.cuba[1]) * self.v + self.c
        elif self.tau is None:
            u = self.v + x
        elif self.decay_input:
            u = self.v + (x - (self.v - self.reset)) / F(self.tau)
        else:
            u = self.v - (self.v - self.reset) / F(self.tau) + x
        fired = (u >= self.threshold).astype(F)
        self.v = fired * self.reset + (F(1) - fired) * u
        return fired

    def node(self):
        def each(value):
            return np.full(self.n, float(value))

        common = {"v_threshold": each(self.threshold), "v_reset": each(self.reset)}
        if self.cuba is not None:
            tau_syn, tau_mem = (self.dt / (1 - decay) for decay in self.cuba)
            common |= {"v_leak": each(0), "w_in": each(tau_syn / self.dt), "r": each(tau_mem / self.dt)}
            return nir.CubaLIF(tau_mem=each(tau_mem), tau_syn=each(tau_syn), **common)
        if self.tau is None:
            return nir.IF(r=each(1 / self.dt), **common)
        r = 1.0 if self.decay_input else float(self.tau)
        return nir.LIF(tau=each(self.tau * self.dt), r=each(r), v_leak=each(self.reset), **common)


class Chain:
    """Affine, layer, Affine, layer, ...; ``recurrent`` weights and bias of the first layer, a step later."""

    def __init__(self, rng, n_in, *layers, scale=4.0, mean=0.1, recurrent=None):
        self.layers, self.recurrent, self.affine = layers, recurrent, []
        for layer in layers:
            weights = rng.uniform(-1, 1, (layer.n, n_in)) / np.sqrt(n_in) * scale + mean
            self.affine.append((weights.astype(F), rng.uniform(-0.2, 0.2, layer.n).astype(F)))
            n_in = layer.n
        self.before = np.zeros(layers[0].n, F)

    def run(self, inputs):
        """``hidden`` and ``output`` of (steps, n) inputs."""
        hidden, output = [], []
        for x in inputs.astype(F):
            for k, ((w, b), layer) in enumerate(zip(self.affine, self.layers, strict=True)):
                current = w @ x + b
                if k == 0 and self.recurrent is not None:
                    current = current + (self.recurrent[0] @ self.before + self.recurrent[1])
                x = layer.step(current)
                if k == 0:
                    self.before = x
                    hidden.append(x)
            output.append(x)
        return {"input": inputs, "hidden": np.array(hidden), "output": np.array(output)}

    def graph(self):
        nodes, edges = {"input": nir.Input(np.array([self.affine[0][0].shape[1]]))}, []
        last = "input"
        for k, ((w, b), layer) in enumerate(zip(self.affine, self.layers, strict=True)):
            weights, neurons = str(2 * k), str(2 * k + 1) if k or self.recurrent is None else "1.lif"
            edges += [(last, weights), (weights, neurons)]
            nodes |= {weights: nir.Affine(w, b), neurons: layer.node()}
            last = neurons
        if self.recurrent is not None:
            nodes["1.w_rec"] = nir.Affine(*self.recurrent)
            edges += [("1.lif", "1.w_rec"), ("1.w_rec", "1.lif")]
        nodes["output"] = nir.Output(np.array([self.layers[-1].n]))
        return nir.NIRGraph(nodes, [*edges, (last, "output")], type_check=False)
