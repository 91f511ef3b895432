"""Oja's learning rule."""

import math
from dataclasses import dataclass

import numpy as np

from snn_control.engine.build.builder import Builder
from snn_control.engine.build.rules import Plastic
from snn_control.engine.program import STEP
from snn_control.network import LearningRule
from snn_control.network.checks import Positive, Seconds


@dataclass(frozen=True, kw_only=True, eq=False)
class Oja(LearningRule):
    """dw/dt = learning_rate y (x - y w) (Oja 1982, J. Math. Biology 15:267): Hebb's rule with a decay that bounds w.

    x, y : spikes of the pre- and the postsynaptic neuron, filtered with tau; a spike adds 1
    tau : [s]
    learning_rate : [1/s]
    """

    tau: Seconds = 0.02
    learning_rate: Positive = 1.0


def lowering(b: Builder, plastic: Plastic) -> None:
    """Lay out the traces and emit the operation, which runs at the end of each step."""
    rule, post, lay = plastic.rule, plastic.post, b.layout
    plastic.dense()
    words = plastic.words() | plastic.fired()
    if post.graded or post.multiplicity:
        raise plastic.wrong("", "Oja", f"is for neurons that fire once a step: {post.name} does not")
    numbers = [math.exp(-b.dt / rule.tau), rule.learning_rate * b.dt, *plastic.bounds()]
    words["params"] = lay.constant("", np.array(numbers, np.float32))
    words |= {"x": lay.state("", "float32", plastic.pre.size), "y": lay.state("", "float32", post.size)}
    b.emit(STEP, "oja", **words, label=plastic.title)
