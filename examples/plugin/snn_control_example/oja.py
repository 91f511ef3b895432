"""Oja's learning rule."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snn_control.engine.builder import Builder
from snn_control.engine.kernels.plasticity import SWITCH_WORDS
from snn_control.engine.operands import need, positive, ring
from snn_control.engine.program import STEP
from snn_control.engine.registry import Kernel
from snn_control.engine.rules import Plastic
from snn_control.network import LearningRule

from .kernels import oja as kernels


@dataclass(frozen=True, kw_only=True, eq=False)
class Oja(LearningRule):
    """dw/dt = learning_rate y (x - y w) (Oja 1982, J. Math. Biology 15:267): Hebb's rule that forgets what grows.

    x, y : spikes of the pre- and the postsynaptic neuron, a spike adds 1, filtered with tau
    tau : [s]
    learning_rate : [1/s]
    """

    tau: float = 0.02
    learning_rate: float = 1.0

    positive: ClassVar[tuple[str, ...]] = ("tau", "learning_rate")


def form(b: Builder, plastic: Plastic) -> None:
    """Lay out the traces and emit the operation, at the end of each step."""
    rule, post, lay = plastic.rule, plastic.post, b.layout
    plastic.dense()
    head = plastic.head()
    if post.graded or post.many:
        raise plastic.wrong("", "Oja", f"is for neurons that fire once a step: {post.name} does not")
    numbers = [math.exp(-b.dt / rule.tau), rule.learning_rate * b.dt, *plastic.bounds()]
    params = lay.constant("", np.array(numbers, np.float32))
    x, y = lay.state("", "float32", plastic.pre.size), lay.state("", "float32", post.size)
    words = (*head, post.signal, post.stride, post.slots, x, y, params, plastic.switch)
    b.emit(STEP, "oja", *words, label=plastic.title)


def check(
    n_pre, n_post, weights, spikes, stride, slots, clock, delay, many, post_spikes, post_stride, post_slots,
    x, y, params, switch,
):  # fmt: skip
    positive(n_pre, n_post)
    ring(spikes, stride, slots, clock, delay, many, n_pre)
    ring(post_spikes, post_stride, post_slots, clock, 0, 0, n_post)
    need(n_pre * n_post, 4, weights)
    need(n_pre, 4, x)
    need(n_post, 4, y)
    need(kernels.N_PARAMS, 4, params)
    need(SWITCH_WORDS, 8, switch)


KERNEL = Kernel("oja", 1, kernels.oja, check)
