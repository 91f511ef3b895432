"""Convert a projection's weights to a NIR node, for the export.

The type check of NIR accepts only convolutions with a square kernel, one group and one bias per channel. Other
convolutions are stored as a matrix, with the kernel in the metadata.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ..errors import DescriptionError, within
from ..network import Projection
from ..network.convolution import Convolution

__all__ = ["MAX_MATRIX_WEIGHTS", "as_node", "natural", "picture", "plain"]

MAX_MATRIX_WEIGHTS = 1 << 26  # weights of a matrix
Shape = tuple[int, ...]


def picture(p: Projection) -> tuple[Shape, Shape]:
    """Return the shapes of the input and output signals of a convolution.

    A shape is (channels, rows, columns) or, for a 1-D convolution, (channels, positions).
    """
    c, shape = _convolution_of(p), np.shape(p.weights)
    with within(p.label):
        behind = c.output_shape(shape)
    if c.shape[1] == 1 and shape[2:3] == (1,) and not _pool(p) and c.pads(0, 1) == (0, 0):
        return (c.shape[0], c.shape[2]), (behind[0], behind[2])
    return c.shape, behind


def _convolution_of(p: Projection) -> Convolution:
    assert isinstance(p.connection, Convolution)
    return p.connection


def _pool(p: Projection) -> str:
    """Return the type of the NIR pooling node that is equivalent to a convolution; an empty string if there is none."""
    c, w = _convolution_of(p), np.asarray(p.weights)
    alone = c.groups == c.shape[0] == len(w) and c.dilation == (1, 1) and c.padding != "same" and p.bias is None
    if not alone or w.ndim != 4 or not (w == w.flat[0]).all() or w[0].size == 1:
        return ""
    return {np.float32(1): "SumPool2d", np.float32(1 / w[0].size): "AvgPool2d"}.get(np.float32(w.flat[0]), "")


def plain(value: Any) -> Any:
    """Convert a value to a type that HDF5 can store: an array, number, text or boolean."""
    array = np.asarray(value)
    return array if array.ndim else array.item()


def as_node(nir: Any, p: Projection, before: Shape, n_post: int) -> tuple[Any, Shape, Shape]:
    """Return the NIR node for a projection's weights, and the shapes of the node's input and output signals.

    nir : the package ``nir``
    before : shape of the signal before the projection
    n_post : number of neurons of the target population
    """
    n_pre = int(np.prod(before))
    if isinstance(p.connection, Convolution):
        return _convolution(nir, p, before, n_post)
    weights = np.asarray(p.weights)
    metadata: dict[str, Any] = {"connection": p.connection}
    bias = None if p.bias is None else np.broadcast_to(p.bias, n_post).astype(np.float32)
    if p.precision == "int8":
        scale = p.scale if p.scale is not None else float(np.abs(weights).max(initial=0)) / 127 or 1.0
        weights, metadata["scale"] = (np.rint(weights / scale) * scale).astype(np.float32), float(scale)
    if p.connection == "one_to_one":
        if bias is None:
            return nir.Scale(weights.reshape(before), metadata=metadata), before, before
        weights = np.diag(weights)
    elif p.connection == "sparse":
        pre, post = np.asarray(p.pre_index), np.asarray(p.post_index)
        if len(np.unique(pre.astype(np.int64) * n_post + post)) < pre.size:
            rule = "NIR has one weight for two neurons, and a pair is connected twice"
            raise DescriptionError(f"{p.label}.connection", "sparse", rule, "add up their weights")
        matrix = np.zeros((n_pre, n_post), np.float32)
        matrix[pre, post] = weights
        weights, metadata = matrix, metadata | {"pre_index": pre, "post_index": post}
    return _matrix(nir, weights.T, bias, metadata), (n_pre,), (n_post,)


def _matrix(nir: Any, weight: np.ndarray, bias: np.ndarray | None, metadata: dict[str, Any]) -> Any:
    weight = np.ascontiguousarray(weight)
    return nir.Linear(weight, metadata=metadata) if bias is None else nir.Affine(weight, bias, metadata=metadata)


def _channel_bias(p: Projection) -> np.ndarray | None:
    """Return the bias per channel, (channels,) float32, or per neuron, (n_post,), if it varies within a channel."""
    if p.bias is None:
        return None
    channels = len(np.asarray(p.weights))
    bias = np.broadcast_to(np.asarray(p.bias, np.float32), np.shape(p.bias) or (channels,))
    rows = bias.reshape(channels, -1)
    return rows[:, 0] if (np.ptp(rows, axis=1) == 0).all() else bias


def natural(p: Projection, before: Shape) -> bool:
    """Return whether NIR has a node type that can represent a convolution.

    before : shape of the signal before the convolution
    """
    c, shape, bias = _convolution_of(p), np.shape(p.weights), _channel_bias(p)
    square = len(picture(p)[0]) == 2 or shape[2] == shape[3]
    plain = square and c.groups == 1 and (bias is None or bias.size == shape[0])
    return before == picture(p)[0] and (plain or bool(_pool(p)))


def _convolution(nir: Any, p: Projection, before: Shape, n_post: int) -> tuple[Any, Shape, Shape]:
    c, weights = _convolution_of(p), np.asarray(p.weights, np.float32)
    metadata: dict[str, Any] = {"connection": "convolution"}
    bias, (takes, gives) = _channel_bias(p), picture(p)
    if not natural(p, before):  # stored as a matrix
        n_pre = int(np.prod(c.shape))
        if n_pre * n_post > MAX_MATRIX_WEIGHTS:
            rule = "NIR's own check takes square kernels, one group and one bias a channel; as a matrix it is too large"
            fix = "use a convolution of that kind"
            raise DescriptionError(f"{p.label}.connection", f"{n_pre} x {n_post}", rule, fix)
        pre, post, weight = c.synapses(weights)
        matrix = np.zeros((n_post, n_pre), np.float32)
        matrix[post, pre] = weight
        metadata |= {"kernel": weights} | {f.name: plain(getattr(c, f.name)) for f in fields(c)}
        bias = None if bias is None else np.repeat(bias, n_post // bias.size)
        return _matrix(nir, matrix, bias, metadata), (n_pre,), (n_post,)
    if pool := _pool(p):
        node = getattr(nir, pool)(np.array(weights.shape[2:]), np.array(c.stride), np.array(c.padding))
        node.metadata = metadata
        return node, takes, gives
    bias = np.zeros(len(weights), np.float32) if bias is None else bias
    if len(takes) == 3:
        return nir.Conv2d(takes[1:], weights, c.stride, c.padding, c.dilation, 1, bias, metadata=metadata), takes, gives
    padding, kernel = c.padding if isinstance(c.padding, str) else c.padding[1], weights[:, :, 0]
    return nir.Conv1d(takes[1], kernel, c.stride[1], padding, c.dilation[1], 1, bias, metadata=metadata), takes, gives
