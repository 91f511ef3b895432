"""The drives that encoders of values give, in plain Python: what `SlowController` encodes its value inputs with."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from snn_control.coding import (
    DeltaEncoder,
    DirectEncoder,
    FieldsEncoder,
    LinearEncoder,
    PoolEncoder,
    PopulationEncoder,
    SignedEncoder,
    StackEncoder,
    StepForwardEncoder,
    ValueInput,
)
from snn_control.testing import exponential
from tests.reference.coding import changes, fields
from tests.reference.scalars import HALF, ZERO, f32


def is_pulse(encoder: Any) -> bool:
    """Whether it acts in a tick's first step only."""
    if isinstance(encoder, PoolEncoder):
        return encoder.tau is None
    return isinstance(encoder, DeltaEncoder | StepForwardEncoder)


def encoded(spec: ValueInput, held: np.ndarray, sent: np.ndarray) -> np.ndarray:
    """The drive, float32, of the values held (n,). `sent` (n,): what encoders of changes sent; changed in place."""
    e, n = spec.encoder, spec.size
    if isinstance(e, StackEncoder):
        return np.concatenate([encoded(replace(spec, encoder=one), held, sent) for one in e.encoders])
    if isinstance(e, DirectEncoder):
        gain, bias = (np.broadcast_to(np.asarray(v), n).astype(np.float32) for v in (e.gain, e.bias))
        return bias + gain * held
    if isinstance(e, SignedEncoder):
        y = np.broadcast_to(np.asarray(e.gain), n).astype(np.float32) * held
        return np.concatenate([np.where(y > 0, y, ZERO), np.where(y < 0, -y, ZERO)])
    if isinstance(e, DeltaEncoder | StepForwardEncoder):
        pulses = np.zeros(2 * n, np.float32)
        threshold = np.broadcast_to(np.asarray(e.threshold), n).astype(np.float32)
        changes(n, held, pulses, sent, threshold, isinstance(e, DeltaEncoder))
        return pulses
    if isinstance(e, FieldsEncoder):
        return joint_fields(spec, e, held)
    if isinstance(e, LinearEncoder):
        w = np.asarray(e.weights, np.float32)
        drive = np.array(np.broadcast_to(np.asarray(e.bias), w.shape[1]), np.float32)
        for j in range(n):
            if held[j] != ZERO:
                for i in range(w.shape[1]):
                    drive[i] += held[j] * w[j, i]
        return drive
    assert isinstance(e, PopulationEncoder)
    drive = []
    for d in range(n):
        low, high, sigma = (
            np.broadcast_to(np.asarray(s, np.float64), (n,))[d] if s is not None else None
            for s in (
                spec.range[0] if e.low is None else e.low,
                spec.range[1] if e.high is None else e.high,
                e.sigma,
            )
        )
        inverse = f32(1 / (sigma if sigma is not None else e.width * (high - low) / (e.neurons - 1)))
        for centre in np.linspace(low, high, e.neurons).astype(np.float32):
            z = (held[d] - centre) * inverse
            response = exponential(-HALF * (z * z))
            drive.append(ZERO if response < f32(e.cutoff) else f32(e.drive) * response)
    return np.array(drive, np.float32)


def joint_fields(spec: ValueInput, e: FieldsEncoder, held: np.ndarray) -> np.ndarray:
    n, sigma, centres = spec.size, e.sigma, e.centres
    low, high = (
        np.broadcast_to(np.asarray(own if own is not None else side, np.float64), n)
        for own, side in zip((e.low, e.high), spec.range)
    )
    if centres is None:
        axes = [np.linspace(low[d], high[d], e.grid[d]) for d in range(n)]
        centres = list(itertools.product(*axes))
        sigma = sigma if sigma is not None else [(high[d] - low[d]) / (e.grid[d] - 1) for d in range(n)]
    inverse = (1 / np.broadcast_to(np.asarray(sigma, np.float64), n)).astype(np.float32)
    out = np.zeros(len(centres), np.float32)
    fields(n, out.size, held, out, np.array(centres, np.float32), inverse, np.array([e.drive, e.cutoff], np.float32))
    return out
