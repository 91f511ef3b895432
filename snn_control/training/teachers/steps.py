"""Convert the steps from observation to action, such as matrix products and activations, to a `TrainedPolicy`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .perceptron import LARGEST_WEIGHT, MOST_LAYERS, MOST_WEIGHTS, Normalization, TrainedPolicy

__all__ = ["Step", "perceptron"]


class Step(NamedTuple):
    """One step of the computation from an observation to an action, with the input x.

    kind : "matrix" (a @ x), "scale" (a * x + b), "clip" (to the bounds a and b), "relu", "tanh", "elu" or "argmax"
    name : name of the operation, for error messages
    a, b : float64 arrays of the step: (outputs, inputs) for "matrix", otherwise (n,)
    """

    kind: str
    name: str
    a: Any = None
    b: Any = None


class _Affine(NamedTuple):
    """The affine map weights @ x + biases."""

    weights: np.ndarray
    biases: np.ndarray

    def then(self, step: Step) -> _Affine:
        """Return the affine map that applies this map and then the "scale" step ``step``."""
        weights = self.weights if (step.a == 1).all() else self.weights * step.a[:, None]
        return _Affine(weights, self.biases * step.a + step.b)


def perceptron(steps: list[Step], inputs: int) -> TrainedPolicy:
    """Return the policy that computes these steps.

    inputs : number of elements of an observation

    Raises ValueError if the steps do not form a multilayer perceptron.
    """
    at = [k for k, step in enumerate(steps) if step.kind == "matrix"]
    if not at or len(at) > MOST_LAYERS:
        raise ValueError(f"it has {len(at)} products with a matrix: must be 1 to {MOST_LAYERS}")
    with np.errstate(all="ignore"):  # the results are checked
        normalization, first = _normalization(_merged(steps[: at[0]]), inputs)
        end = at[-1] + 1
        while end < len(steps) and steps[end].kind == "scale":
            end += 1
        layers, activation = _layers(first + steps[at[0] : end])
        policy = _headed(layers, _merged(steps[end:]))
        layers = [(w.astype(np.float32), b.astype(np.float32)) for w, b in policy.layers]
    if not all((np.abs(one) <= LARGEST_WEIGHT).all() for layer in layers for one in layer):
        raise ValueError(f"its weights are not finite, or beyond {LARGEST_WEIGHT:g}")
    return replace(policy, layers=tuple(layers), activation=activation, normalization=normalization)


def _merged(steps: list[Step]) -> list[Step]:
    """Return the steps, with consecutive "scale" steps merged into one."""
    found: list[Step] = []
    for step in steps:
        if found and found[-1].kind == step.kind == "scale":
            found[-1] = Step("scale", step.name, found[-1].a * step.a, found[-1].b * step.a + step.b)
        else:
            found.append(step)
    return found


def _normalization(steps: list[Step], inputs: int) -> tuple[Normalization | None, list[Step]]:
    """Convert the steps before the first layer to a normalisation. Return the normalisation and the remaining steps."""
    kinds = [step.kind for step in steps]
    if not steps:
        return None, []
    if kinds == ["scale"] and not (steps[0].a > 0).all():
        return None, steps
    scale = steps[0] if kinds[0] == "scale" else Step("scale", "", np.ones(inputs), np.zeros(inputs))
    rest = steps[1:] if kinds[0] == "scale" else steps
    clip = np.inf
    if rest and rest[0].kind == "clip":
        clip, rest = _symmetric(rest[0]), rest[1:]
    if any(step.kind != "scale" for step in rest):
        raise ValueError(f"the operation {rest[0].name} comes before the first layer")
    found = Normalization(-scale.b / scale.a, 1 / scale.a, clip)
    if not np.isfinite([found.mean, found.std]).all() or not (found.std > 0).all():
        raise ValueError(f"the operation {scale.name} before the first layer does not normalise")
    return found, rest


def _symmetric(step: Step) -> float:
    if (step.a != -step.b).any():
        raise ValueError(f"the operation {step.name} must have the bounds -x and x")
    return float(step.b[0])


def _layers(steps: list[Step]) -> tuple[list[Any], str]:
    """Convert steps to layers. Return the layers and the name of the activation between them.

    The first step may be a "scale" of the observation, which becomes part of the first layer.
    """
    layers: list[_Affine] = []
    activation = ""
    layer: _Affine | None = None
    before: Step | None = None  # a scale that waits for its matrix
    for step in steps:
        if step.kind == "matrix":
            weights, biases = step.a.astype(np.float64), np.zeros(len(step.a))
            if before is not None:
                weights, biases = weights * before.a, weights @ before.b
            elif layer is not None:
                if weights.shape[0] * layer.weights.shape[1] > MOST_WEIGHTS:
                    raise ValueError(f"the operation {step.name} follows a matrix without an activation")
                weights, biases = weights @ layer.weights, weights @ layer.biases
            layer, before = _Affine(weights, biases), None
        elif step.kind == "scale" and layer is not None:
            layer = layer.then(step)
        elif step.kind == "scale":
            before = step if before is None else _merged([before, step])[0]
        elif step.kind in ("relu", "tanh", "elu") and layer is not None:
            if activation not in ("", step.kind):
                raise ValueError(f"the operation {step.name} is another activation than {activation}")
            activation = step.kind
            layers.append(_Affine(layer.weights.astype(np.float32), layer.biases))
            layer = None
        else:
            raise ValueError(f"the operation {step.name} is between layers; known is one activation")
    assert layer is not None
    return [*layers, layer], activation or "relu"


def _headed(layers: list[Any], steps: list[Step]) -> TrainedPolicy:
    """Return a policy with these layers. Its head computes ``steps``, the steps after the last layer."""
    n, kinds = len(layers[-1].biases), [step.kind for step in steps]
    policy = TrainedPolicy(tuple(layers), "", "linear", (n,))
    if kinds == ["argmax"]:
        return replace(policy, head="argmax", shape=())
    if kinds in (["clip"], ["clip", "scale"]):
        low, high = steps[0].a, steps[0].b
        if kinds[-1] == "scale":
            layers[-1] = layers[-1].then(steps[1])
            ends = [bound * steps[1].a + steps[1].b for bound in (low, high)]
            low, high = np.minimum(*ends), np.maximum(*ends)
        return replace(policy, layers=tuple(layers), head="clip", **_bounds(low, high, steps[-1]))
    if "tanh" in kinds:
        return _squashed(replace(policy, head="tanh"), steps)
    if kinds:
        raise ValueError(f"the operation {steps[0].name} is at the end; known are Tanh, Clip and ArgMax")
    return policy


def _squashed(policy: TrainedPolicy, steps: list[Step]) -> TrainedPolicy:
    """Return a policy with the head "tanh" for the steps ``[clip] tanh [scale] [clip]``, all but tanh optional.

    The last clip must be at or beyond the range of the action, so that it has no effect.
    """
    left = list(steps)
    if left[0].kind == "clip":
        policy = replace(policy, bound=_symmetric(left.pop(0)))
    if left.pop(0).kind != "tanh":
        raise ValueError(f"the operation {steps[0].name} comes before the tanh at the end")
    low, high = -np.ones(policy.outputs), np.ones(policy.outputs)
    if left and left[0].kind == "scale":
        scale = left.pop(0)
        *others, last = policy.layers
        sign = np.where(scale.a < 0, -1.0, 1.0)  # tanh(-x) = -tanh(x)
        layers = (*others, _Affine(*last).then(Step("scale", "", sign, np.zeros_like(sign))))
        low, high = scale.b - abs(scale.a), scale.b + abs(scale.a)
        policy = replace(policy, layers=layers, **_bounds(low, high, scale))
    if left and left[0].kind == "clip" and (left[0].a <= low).all() and (left[0].b >= high).all():
        del left[0]
    if left:
        raise ValueError(f"the operation {left[0].name} changes the action after its tanh")
    return policy


def _bounds(low: np.ndarray, high: np.ndarray, step: Step) -> dict[str, Any]:
    low, high = low.astype(np.float32), high.astype(np.float32)
    if np.isnan([low, high]).any() or not (low < high).all():
        raise ValueError(f"the operation {step.name} gives actions without a range")
    return {"low": low, "high": high}
