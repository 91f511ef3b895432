"""Encoders: how the numbers or events of an input become currents, once a tick.

The `neuron` of an encoder turns the currents into spikes, in each step; without one they are a graded signal. Any
neuron fits any encoder: integrate-and-fire for a regular rate, `Bernoulli` or `Poisson` for a stochastic one,
`Latency` and `Phase` for codes in time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from ..errors import DescriptionError
from ..network.checks import MAX_SIZE, Checked, Each, EachPositive, Numbers, OneOf, Positive, Real, Seconds, Size, Whole
from ..network.neurons import NeuronModel, Threshold

__all__ = [
    "DeltaEncoder", "DirectEncoder", "Encoder", "FieldsEncoder", "LinearEncoder", "PoolEncoder", "PopulationEncoder",
    "SignedEncoder", "StepForwardEncoder", "SurfaceEncoder",
]  # fmt: skip

ONCE = Threshold(0.5)  # fires once for a pulse of 1

Fields = Annotated[int, Whole(2, MAX_SIZE)]  # along a dimension
Cells = tuple[Size, Size]
Polarity = Annotated[str, OneOf("signed", "merge", "split")]


class Encoder(Checked):
    """Base of all encoder descriptions; subclasses are frozen dataclasses.

    neuron : driven by the currents; None leaves them as a graded signal
    selective : a neuron represents a value, or a change: for its value it is meant to fire as fast as it can
    """

    neuron: NeuronModel | None
    selective: ClassVar[bool] = False

    def check(self, path: str, size: Any) -> None:
        """Raise DescriptionError if it does not fit its input: ``size`` numbers, or a sensor of (width, height)."""


class _GridEncoder(Encoder):
    """Base of the encoders that pool the events of a sensor over the cells of a grid.

    An event is in the cell in which the middle of its pixel lies; on the boundary of two cells, in the outer one, so
    that a mirrored picture has mirrored cells whatever the size of the camera.
    """

    grid: Cells
    made_for: Cells | None

    def check(self, path: str, size: Any) -> None:
        lines, _ = self.lines(size)
        for k, most in enumerate((size[0], lines)):
            if self.grid[k] > most:
                raise DescriptionError(f"{path}.grid[{k}]", self.grid[k], f"must be at most the camera's size ({most})")
        if not size[1] <= lines <= 65536:
            rule = f"must not be wider in proportion than the camera is ({size[0]} x {size[1]})"
            if lines > 65536:
                rule = "must be less high: the grid would cover more than 65536 rows of the camera"
            raise DescriptionError(f"{path}.made_for", list(self.made_for or ()), rule)

    def lines(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows of a camera's pixels that the grid covers, and how many halves of them lie above its picture."""
        if self.made_for is None:
            return size[1], 0
        lines = round(size[0] * self.made_for[1] / self.made_for[0])
        return lines, max(lines - size[1], 0)

    def share(self, size: tuple[int, int]) -> float:
        """How much an event of a camera counts: less where more pixels see the same."""
        return 1.0 if self.made_for is None else (self.made_for[0] / size[0]) ** 2


@dataclass(frozen=True, eq=False)
class DirectEncoder(Encoder):
    """current = gain x + bias, with one neuron for each dimension.

    gain, bias : a number or (dimensions,)
    """

    gain: Each = 1.0
    bias: Each = 0.0
    neuron: NeuronModel | None = None


@dataclass(frozen=True, eq=False)
class LinearEncoder(Encoder):
    """current = x W + bias, with W (dimensions, neurons): the encoders, gains and biases of the NEF.

    weights : W, (dimensions, neurons)
    bias : a number or (neurons,)
    """

    weights: Any
    bias: Any = 0.0
    neuron: NeuronModel | None = None


@dataclass(frozen=True)
class PopulationEncoder(Encoder):
    """Gaussian receptive fields for each dimension, evenly spaced over ``range`` (PopSAN, Tang et al. 2020).

    neurons : fields for each dimension
    low, high : first and last centre, a number or (dimensions,); None takes the input's range
    sigma : width in units of the input; None takes the distance of two centres
    drive : current at a field's centre
    neuron : spiking model driven by the fields; None leaves the graded current
    """

    neurons: Fields
    low: Any = None
    high: Any = None
    sigma: Any = None
    drive: Real = 4.0
    neuron: NeuronModel | None = None

    selective: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class FieldsEncoder(Encoder):
    """Gaussian receptive fields over all dimensions together: drive exp(-sum over d of ((x_d - c_d) / sigma_d)^2 / 2).

    grid : fields along each dimension, evenly spaced from ``low`` to ``high``, the last dimension varies fastest; or
    centres : (fields, dimensions)
    low, high : first and last centre of the grid, a number or (dimensions,); None takes the input's range
    sigma : width, a number or (dimensions,); None takes the distance of two centres of the grid
    drive : current at a field's centre
    """

    grid: tuple[Fields, ...] | None = None
    centres: Annotated[Any, Numbers(ndim=2)] = None
    low: Any = None
    high: Any = None
    sigma: EachPositive = None
    drive: Real = 4.0
    neuron: NeuronModel | None = None

    selective: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.grid is None) == (self.centres is None):
            raise self.wrong("grid", "give a grid or centres")
        if self.grid is not None:
            if math.prod(self.grid) > MAX_SIZE:
                raise self.wrong("grid", f"must be at most {MAX_SIZE:,} fields")
        else:
            if np.ndim(self.centres) != 2 or np.size(self.centres) == 0:
                raise self.wrong("centres", "must be (fields, dimensions)", value=f"shape {np.shape(self.centres)}")
            for key in ("low", "high"):
                if getattr(self, key) is not None:
                    raise self.wrong(key, "requires a grid")
            if self.sigma is None:
                raise self.wrong("sigma", "is needed with centres")


@dataclass(frozen=True, eq=False)
class SignedEncoder(Encoder):
    """Two channels for each dimension: max(gain x, 0) of all dimensions, then max(-gain x, 0) of all.

    gain : a number or (dimensions,)
    """

    gain: Each = 1.0
    neuron: NeuronModel | None = None


@dataclass(frozen=True, eq=False)
class _OnChange(Encoder):
    """Base of encoders that send changes.

    threshold : > 0, a number or (dimensions,)
    neuron : the default fires once for each pulse
    """

    threshold: EachPositive = 0.1
    neuron: NeuronModel | None = ONCE

    selective: ClassVar[bool] = True


class DeltaEncoder(_OnChange):
    """Send on change: if x is at least ``threshold`` away from the value last sent, it gives a pulse of 1 in the first
    step of the tick, and x becomes the value last sent, which starts at 0. ON channels of all dimensions, then OFF."""


class StepForwardEncoder(_OnChange):
    """Step-forward: as `DeltaEncoder`, but the value last sent moves by the threshold, once a tick, so that the sum of
    the pulses times the threshold follows x (Petro, Kasabov and Kiss 2020, IEEE TNNLS 31:358)."""


@dataclass(frozen=True)
class PoolEncoder(_GridEncoder):
    """Events summed over the cells of a grid, a graded vector for each tick, in row-major order of (row, column).

    grid : (columns, rows)
    polarity : "signed" (ON adds ``on_weight``, OFF subtracts ``off_weight``), "merge" (both add 1), "split" (OFF
        cells, then ON cells: a picture of 2 channels as a `Convolution` takes it)
    on_weight, off_weight : of one event, with "signed"
    response : "sum"; "binary": the sign of the sum, so 1 where there were events; "saturate": the sum, limited to
        ``ceiling`` on both sides of 0
    ceiling : limit for "saturate"
    tau : [s]; a leaky count: the count decays once a tick by exp(-period / tau), and the response is added. It
        acts in all steps of a tick; without tau it acts in the first one
    made_for : (width, height) of the camera that the network behind was made for; None: this one. Another camera whose
        width covers the same angle is seen through the same cells: its picture lies in their middle, and an event
        counts (made_for[0] / width)^2, so that as much is summed from more pixels
    """

    grid: Cells
    polarity: Polarity = "signed"
    on_weight: Real = 1.0
    off_weight: Real = 1.0
    response: Annotated[str, OneOf("sum", "binary", "saturate")] = "sum"
    ceiling: Positive | None = None
    tau: Seconds | None = None
    neuron: NeuronModel | None = None
    made_for: Cells | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.response == "saturate") != (self.ceiling is not None):
            rule = "is required with response 'saturate'" if self.ceiling is None else "requires response 'saturate'"
            raise self.wrong("ceiling", rule)


@dataclass(frozen=True)
class SurfaceEncoder(_GridEncoder):
    """Surface of active events: a cell is 1 in the tick of an event and decays by exp(-age / tau) from then on, its age
    counted in ticks; a graded vector that acts in all steps of a tick (Lagorce et al. 2017, IEEE TPAMI 39:1346).

    grid : (columns, rows)
    tau : [s]
    polarity : "merge", "split" (OFF cells, then ON cells), "signed" (1 or -1, the sign of the last event)
    made_for : (width, height) of the camera that the network behind was made for, as in `PoolEncoder`; None: this one
    """

    grid: Cells
    tau: Seconds
    polarity: Polarity = "merge"
    neuron: NeuronModel | None = None
    made_for: Cells | None = None
