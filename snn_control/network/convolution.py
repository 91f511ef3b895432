"""Convolutions and poolings: connections that apply the same kernel at all positions of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated, Any

import numpy as np

from ..errors import DescriptionError, counted
from .checks import MAX_SIZE, Checked, Size

__all__ = ["Convolution", "pooling"]

Shape = tuple[Size, Size, Size]


@dataclass(frozen=True)
class Pair:
    """Rule for a whole number >= ``least``, a pair (rows, columns) of such numbers, or the text ``word``."""

    least: int
    word: str = ""

    def __call__(self, path: str, value: Any) -> Any:
        """Return a pair (rows, columns), or the word. Raises DescriptionError if the value breaks the rule."""
        if self.word and isinstance(value, str) and value == self.word:
            return value
        several = isinstance(value, list | tuple) or np.ndim(value) > 0
        pair = (value, value) if isinstance(value, int | np.integer) else tuple(value) if several else ()
        if len(pair) != 2 or not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in pair):
            raise DescriptionError(path, value, "must be a whole number, or [rows, columns]")
        if not self.least <= min(pair) <= max(pair) <= MAX_SIZE:
            raise DescriptionError(path, value, f"must be >= {self.least}, at most {MAX_SIZE:,}")
        return int(pair[0]), int(pair[1])


STEPS = Pair(1)
Steps = Annotated[Any, STEPS]


@dataclass(frozen=True)
class Convolution(Checked):
    """Two-dimensional convolution with the definition of Conv2d in NIR.

    A population is an image of several channels. Its neurons are numbered channel by channel, and row by row within a
    channel (C, H, W).

    shape : (channels, rows, columns) of the presynaptic population; a 1-D convolution has one row
    stride, padding, dilation : a number, or (rows, columns)
    padding : may also be the word "same", for which the output is as large as the input. If an odd number of rows or
        columns is needed, the end has one more than the beginning
    groups : number of groups of channels; output channels connect only to the input channels of their group
    """

    shape: Shape
    stride: Steps = 1
    padding: Annotated[Any, Pair(0, "same")] = 0
    dilation: Steps = 1
    groups: Size = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        for key, rule in self.checks().items():
            if isinstance(rule, Pair):
                object.__setattr__(self, key, rule(key, getattr(self, key)))
        if self.padding == "same" and self.stride != (1, 1):
            raise self.wrong("padding", "requires stride 1")
        if self.shape[0] % self.groups:
            raise self.wrong("groups", f"must divide the {self.shape[0]} channels")

    def pads(self, axis: int, kernel: int) -> tuple[int, int]:
        """Return the numbers of rows (axis 0) or columns (axis 1) of padding before and after the image.

        kernel : number of rows or columns of the kernel
        """
        if self.padding != "same":
            return self.padding[axis], self.padding[axis]
        whole = self.dilation[axis] * (kernel - 1)
        return whole // 2, whole - whole // 2

    def output_shape(self, weights: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the shape (channels, rows, columns) of the output. Raises DescriptionError if the weights do not fit.

        weights : shape of the weights, (channels out, channels in / groups, rows, columns)
        """
        channels = self.shape[0] // self.groups
        if len(weights) != 4 or weights[1] != channels or weights[0] % self.groups:
            rule = f"must be (channels out, {channels}, rows, columns), channels out a multiple of {self.groups}"
            raise DescriptionError("weights", f"shape {weights}", rule)
        sides = []
        for axis in (0, 1):
            reach = self.dilation[axis] * (weights[2 + axis] - 1) + 1
            room = self.shape[1 + axis] + sum(self.pads(axis, weights[2 + axis])) - reach
            if room < 0:
                rule = f"must fit into the padded picture {self.shape[1:]}"
                raise DescriptionError("weights", f"shape {weights}", rule)
            sides.append(room // self.stride[axis] + 1)
        return weights[0], sides[0], sides[1]

    def synapses(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the sources, targets and weights of the synapses whose weight is not 0, as three (k,) arrays.

        Sources and targets are int64. Synapses are ordered by kernel row, then by kernel column. Raises
        DescriptionError.

        weights : (channels out, channels in / groups, rows, columns)
        """
        channels, rows, columns = self.output_shape(weights.shape)
        group_in, group_out = self.shape[0] // self.groups, channels // self.groups
        nothing = np.zeros(0, np.int64)
        found = [(nothing, nothing, weights.reshape(-1)[:0])]
        down, across = self.landing(0, weights.shape[2], rows), self.landing(1, weights.shape[3], columns)
        reached = (np.flatnonzero((side >= 0).any(axis=0)) for side in (down, across))
        for row, column in product(*reached):
            out, within = np.nonzero(weights[:, :, row, column])
            y, x = np.flatnonzero(down[:, row] >= 0), np.flatnonzero(across[:, column] >= 0)
            place = (y[:, None] * self.shape[2] + x).reshape(-1)
            to = (down[y, row, None] * columns + across[x, column]).reshape(-1)
            source = out // group_out * group_in + within
            pre = source[:, None] * (self.shape[1] * self.shape[2]) + place
            post = out[:, None] * (rows * columns) + to
            weight = np.broadcast_to(weights[out, within, row, column][:, None], pre.shape)
            found.append((pre.reshape(-1), post.reshape(-1), weight.reshape(-1)))
        pre, post, weight = (np.concatenate(parts) for parts in zip(*found))
        return pre, post, weight

    def landing(self, axis: int, kernel: int, outputs: int) -> np.ndarray:
        """Return the output row to which each input row contributes through each kernel row, (size, kernel) int64.

        An element is -1 if there is no such output row. For axis 1, the same applies to columns instead of rows.

        axis : 0 for rows, 1 for columns
        kernel : number of rows (or columns) of the kernel
        outputs : number of rows (or columns) of the output
        """
        place = np.arange(self.shape[1 + axis])[:, None] + self.pads(axis, kernel)[0]
        place = place - self.dilation[axis] * np.arange(kernel)
        landed = place // self.stride[axis]
        inside = (place >= 0) & (place % self.stride[axis] == 0) & (landed < outputs)
        return np.where(inside, landed, -1)


def pooling(
    shape: Shape, kernel: Steps, stride: Steps = None, padding: Annotated[Any, Pair(0)] = 0, average: bool = False
) -> tuple[Convolution, np.ndarray]:
    """Sum or average pooling of an image: return a depthwise `Convolution`, and its weights.

    shape : (channels, rows, columns) of the presynaptic population
    kernel, stride, padding : a number, or (rows, columns); the default stride equals the kernel
    average : whether the sum is divided by the size of the kernel, even where the kernel covers padding (as in
        AvgPool2d of NIR and PyTorch)
    """
    rows, columns = STEPS("kernel", kernel)
    weight = 1.0 / (rows * columns) if average else 1.0
    convolution = Convolution(shape, (rows, columns) if stride is None else stride, padding)
    channels = convolution.shape[0]
    weights = channels, 1, rows, columns
    if math.prod(weights) > MAX_SIZE:
        rule = f"must be smaller: at most {MAX_SIZE:,} weights for {counted(channels, 'channel')}"
        raise DescriptionError("kernel", kernel, rule)
    return replace(convolution, groups=channels), np.full(weights, weight, np.float32)
