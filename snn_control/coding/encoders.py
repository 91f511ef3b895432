"""Encoders, which convert the numbers or events of an input to currents, once per tick.

The field ``neuron`` of an encoder is the neuron model that turns the currents into spikes in each step. Without a
neuron model, the currents are a graded signal. Every neuron model can be combined with every encoder:
integrate-and-fire neurons fire regularly, `Bernoulli` and `Poisson` neurons stochastically. `Latency` and `Phase`
encode values in spike times.
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
    "SignedEncoder", "StackEncoder", "StepForwardEncoder", "SurfaceEncoder",
]  # fmt: skip

ONCE = Threshold(0.5)  # fires once for a pulse of 1

Fields = Annotated[int, Whole(2, MAX_SIZE)]  # along a dimension
Cells = tuple[Size, Size]
Polarity = Annotated[str, OneOf("signed", "merge", "split")]
Cutoff = Annotated[float, Numbers(least=0, most=1)]


class Encoder(Checked):
    """Base class of encoders, which convert an input to currents. Subclasses are frozen dataclasses.

    neuron : model of the neurons that the currents drive; None leaves the currents as a graded signal
    selective : whether each neuron responds to one value or one change, at its largest rate when that value or change
        occurs
    """

    neuron: NeuronModel | None
    selective: ClassVar[bool] = False

    def check(self, path: str, size: Any) -> None:
        """Raise DescriptionError if the encoder cannot encode an input of ``size``, a number or (width, height)."""


class _GridEncoder(Encoder):
    """Base class of the encoders that pool the events of a camera over the cells of a grid.

    An event belongs to the cell that contains the middle of its pixel. If the middle is on the boundary of two cells,
    the event belongs to the cell farther from the grid's centre. So mirrored pictures lead to mirrored cells for every
    size of camera.
    """

    grid: Cells
    made_for: Cells | None

    def check(self, path: str, size: Any) -> None:
        lines, _ = self.lines(size)
        for k, most in enumerate((size[0], lines)):
            if self.grid[k] > most:
                raise DescriptionError(f"{path}.grid[{k}]", self.grid[k], f"must be at most the camera's size ({most})")
        if not size[1] <= lines <= 65536:
            rule = f"must not have a wider aspect ratio than the camera ({size[0]} x {size[1]})"
            if lines > 65536:
                rule = "must be lower: the grid would cover more than 65536 rows of the camera"
            raise DescriptionError(f"{path}.made_for", list(self.made_for or ()), rule)

    def lines(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the number of pixel rows that the grid covers, and of half rows by which it exceeds the picture's top.

        The grid covers the field of view of the camera `made_for`, which may be higher than the present camera's
        picture.

        size : (width, height) of the present camera [pixel]
        """
        if self.made_for is None:
            return size[1], 0
        lines = round(size[0] * self.made_for[1] / self.made_for[0])
        return lines, max(lines - size[1], 0)

    def share(self, size: tuple[int, int]) -> float:
        """Return the weight of one event of a camera of ``size`` (width, height) [pixel].

        The weight is below 1 if the camera covers the same field of view with more pixels than the camera ``made_for``.
        """
        return 1.0 if self.made_for is None else (self.made_for[0] / size[0]) ** 2


@dataclass(frozen=True, eq=False)
class DirectEncoder(Encoder):
    """One current for each number x of the input: current = gain x + bias.

    gain, bias : a number or (dimensions,)
    """

    gain: Each = 1.0
    bias: Each = 0.0
    neuron: NeuronModel | None = None


@dataclass(frozen=True, eq=False)
class LinearEncoder(Encoder):
    """Weighted sums of the input's numbers x: current = x W + bias, as in the Neural Engineering Framework (NEF).

    weights : the matrix W, (dimensions, neurons)
    bias : a number or (neurons,)
    """

    weights: Any
    bias: Any = 0.0
    neuron: NeuronModel | None = None


@dataclass(frozen=True)
class PopulationEncoder(Encoder):
    """Gaussian receptive fields for each dimension of the input, evenly spaced over its range.

    This is the encoder of PopSAN (Tang et al. 2020).

    neurons : number of fields per dimension
    low : centre of the first field, a number or (dimensions,); None uses the lower end of the input's range
    high : centre of the last field, a number or (dimensions,); None uses the upper end of the input's range
    sigma : standard deviation of a field in units of the input; None: ``width`` times the distance between two centres
    drive : current at a field's centre
    neuron : model of the neurons that the fields' currents drive; None leaves the currents as a graded signal
    width : standard deviation of a field in distances between two centres, used if ``sigma`` is None
    cutoff : fraction of ``drive`` below which a field's current is set to 0, from 0 to 1. With 0.01, a field's current
        is 0 beyond 3 sigma, so that later operations skip the field
    """

    neurons: Fields
    low: Any = None
    high: Any = None
    sigma: Any = None
    drive: Real = 4.0
    neuron: NeuronModel | None = None
    width: Positive = 1.0
    cutoff: Cutoff = 0.0

    selective: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class FieldsEncoder(Encoder):
    """Multidimensional Gaussian receptive fields: each field spans all dimensions of the input.

    For the input x, the current of a field with the centre c is drive exp(-sum over d of ((x_d - c_d) / sigma_d)^2 /
    2). The index d runs over the dimensions.

    grid : number of fields along each dimension, evenly spaced from ``low`` to ``high``; the last dimension varies
        fastest
    centres : centres of the fields, (fields, dimensions), instead of a grid
    low : centre of the grid's first field, a number or (dimensions,); None uses the lower end of the input's range
    high : centre of the grid's last field, a number or (dimensions,); None uses the upper end of the input's range
    sigma : standard deviation of a field, a number or (dimensions,); None uses the distance between two centres of the
        grid
    drive : current at a field's centre
    cutoff : fraction of ``drive`` below which a field's current is set to 0, as in `PopulationEncoder`
    """

    grid: tuple[Fields, ...] | None = None
    centres: Annotated[Any, Numbers(ndim=2)] = None
    low: Any = None
    high: Any = None
    sigma: EachPositive = None
    drive: Real = 4.0
    neuron: NeuronModel | None = None
    cutoff: Cutoff = 0.0

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
                raise self.wrong("sigma", "is required with centres")


@dataclass(frozen=True, eq=False)
class SignedEncoder(Encoder):
    """Two currents for each number x of the input: max(gain x, 0) and max(-gain x, 0), one of which is 0.

    The currents max(gain x, 0) of all numbers come first, then the currents max(-gain x, 0).

    gain : a number or (dimensions,)
    """

    gain: Each = 1.0
    neuron: NeuronModel | None = None


@dataclass(frozen=True, eq=False)
class StackEncoder(Encoder):
    """Several encoders for the same input, whose currents are concatenated to one vector.

    encoders : encoders whose currents depend only on the input's present numbers, and which have no ``neuron``
    """

    encoders: tuple[Encoder, ...]
    neuron: NeuronModel | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.encoders:
            raise self.wrong("encoders", "must be at least one encoder")
        for k, one in enumerate(self.encoders):
            if isinstance(one, _OnChange | _GridEncoder | StackEncoder):
                rule = "must have currents that depend only on the present numbers"
                raise self.wrong(f"encoders[{k}]", rule, value=type(one).__name__)
            if one.neuron is not None:
                rule = "must have no neuron: its currents are stacked"
                raise self.wrong(f"encoders[{k}].neuron", rule, "give a neuron to the stack", type(one.neuron).__name__)

    def check(self, path: str, size: Any) -> None:
        for k, one in enumerate(self.encoders):
            one.check(f"{path}.encoders[{k}]", size)


@dataclass(frozen=True, eq=False)
class _OnChange(Encoder):
    """Base class of the encoders that emit a pulse when a value has changed.

    threshold : smallest change that causes a pulse: a number or (dimensions,), > 0
    neuron : model of the neurons that the pulses drive; the default model fires once for each pulse
    """

    threshold: EachPositive = 0.1
    neuron: NeuronModel | None = ONCE

    selective: ClassVar[bool] = True


class DeltaEncoder(_OnChange):
    """Send-on-delta: emit a pulse when a number x of the input has changed by at least ``threshold``.

    The change is measured from a reference, which is 0 at first and becomes x with each pulse. A pulse is a current of
    1 in the first network step of the tick. Each number has two channels: the ON channels of all numbers (x has
    increased) come first, then the OFF channels (x has decreased).
    """


class StepForwardEncoder(_OnChange):
    """Step-forward encoder: each pulse stands for a change by one threshold (Petro et al. 2020, IEEE TNNLS 31:358).

    Like a `DeltaEncoder`, it emits a pulse when a number x differs by at least ``threshold`` from its reference. But a
    pulse moves the reference by one threshold towards x, not to x, and a number has at most one pulse per tick. So the
    sum of the signed pulses, times the threshold, follows x.
    """


@dataclass(frozen=True)
class PoolEncoder(_GridEncoder):
    """Sum of a tick's events in each cell of a grid over the sensor: one vector of numbers per tick.

    The cells are in row-major order: row by row, from the top left.

    grid : (columns, rows)
    polarity : "signed" (ON adds ``on_weight``, OFF subtracts ``off_weight``), "merge" (both add 1), "split" (OFF cells,
        then ON cells: a picture of 2 channels, which fits a `Convolution`)
    on_weight, off_weight : weight of one event, used by "signed"
    response : "sum"; "binary": the sign of the sum; or "saturate": the sum, limited to ``ceiling`` on both sides of 0
    ceiling : limit for "saturate"
    tau : time constant [s] of a leaky sum. Once per tick, the sum is multiplied by exp(-period / tau), and the response
        is added; the sum then acts in all network steps of the tick. Without tau, the response acts only in the first
        step
    made_for : (width, height) of the camera for which the network was made; None: the camera of the input. Another
        camera with the same horizontal field of view uses the same cells, and its picture is centred in the grid. The
        weight of an event is multiplied by (made_for[0] / width)^2, so that a higher resolution does not increase the
        sum
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
    """Surface of active events, or time surface (Lagorce et al. 2017, IEEE TPAMI 39:1346): how recent events are.

    The events of a tick set their grid cells to 1. The value of a cell then decays as exp(-age / tau), where the age is
    the time since this tick. The vector of all values acts in all network steps of a tick.

    grid : (columns, rows)
    tau : time constant of the decay [s]
    polarity : "merge", "split" (OFF cells, then ON cells), "signed" (1 or -1 according to the polarity of the last
        event)
    made_for : (width, height) of the camera for which the network was made, as in `PoolEncoder`; None: the camera of
        the input
    """

    grid: Cells
    tau: Seconds
    polarity: Polarity = "merge"
    neuron: NeuronModel | None = None
    made_for: Cells | None = None
