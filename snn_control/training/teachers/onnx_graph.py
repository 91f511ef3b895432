"""Read a policy from an ONNX file: a chain of operations from the observation to the action, and constants.

The file is untrusted input, and nothing in it is executed. The library protobuf may make an object of a hundred bytes
from two bytes of a file. Therefore `_structure` first counts the bytes that are not numbers, and their number is
limited. Constants become arrays only if an operation uses them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import optional
from ...files import open_file
from .perceptron import MOST_WEIGHTS

__all__ = ["Graph", "read_graph", "shown"]

MOST_BYTES = 1 << 25  # largest size of the file, of which weights of a critic may be a part
MOST_STRUCTURE = 1 << 19  # bytes of the file that are not numbers
MOST_PARTS = 1 << 16  # fields of all messages
MOST_NODES = 1 << 10
MOST_STEPS = 128  # operations that contribute to the action
MOST_AXES = 8
IR_VERSIONS, OPSETS = range(3, 15), range(7, 29)
DOMAINS = ("", "ai.onnx")
#: fields of protobuf messages in which numbers are: number of the field -> fields of its message, None for numbers
TENSOR: dict[int, Any] = {4: None, 9: None, 10: None}
GRAPH: dict[int, Any] = {1: {5: {5: TENSOR}}, 5: TENSOR}
MODEL: dict[int, Any] = {7: GRAPH}
#: types of numbers -> type of NumPy, field with numbers that are not bytes
TYPES = {1: ("<f4", "float_data"), 11: ("<f8", "double_data"), 10: ("<f2", ""), 7: ("<i8", "int64_data")}
FLOATS = (1, 10, 11)


def shown(node: Any) -> str:
    """Return the type and the name of an operation as text, for error messages."""
    return f"{node.op_type[:40] or 'nameless'} '{node.name[:80]}'"


class Graph:
    """The graph of operations in an ONNX file. The operations that compute the action must form a chain.

    nodes : operations that compute the action, in the order of execution
    shape : shape of one observation
    """

    def __init__(self, graph: Any) -> None:
        if max(len(graph.node), len(graph.initializer), len(graph.input), len(graph.output)) > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES:,} operations or constants")
        if len(graph.sparse_initializer):
            raise ValueError("it has sparse constants")
        self._constants = _by_name((one.name, one) for one in graph.initializer)
        self._made = _by_name((name, node) for node in graph.node for name in node.output if name)
        given = [one for one in graph.input if one.name not in self._constants]
        if len(given) != 1:
            names = ", ".join(one.name[:40] for one in given[:5])
            raise ValueError(f"it has {len(given)} inputs ({names}): must be one, the observation; is it recurrent?")
        if not len(graph.output):
            raise ValueError("it has no output")
        self._input = given[0].name
        if self._made.keys() & {self._input, *self._constants}:
            raise ValueError("an operation gives a value that the file gives too")
        self.shape = _shape_of(given[0].type)
        self.nodes = self._chain(graph.output[0].name)

    def constant(self, name: str, finite: bool = True) -> np.ndarray | None:
        """Return the constant with this name as an array; None if there is no such constant.

        finite : whether numbers that are not finite raise ValueError
        """
        for _ in range(MOST_NODES):
            if name in self._constants:
                return _array(self._constants[name], finite)
            node = self._made.get(name)
            if node is None or node.domain not in DOMAINS or node.op_type not in ("Constant", "Identity", "Cast"):
                return None
            if node.op_type == "Constant":
                return _constant(node, finite)
            (name,) = node.input
        raise ValueError("its constants refer to each other")

    def is_constant(self, name: str) -> bool:
        seen = 0
        while (node := self._made.get(name)) is not None and name not in self._constants and seen < MOST_NODES:
            if node.domain not in DOMAINS or node.op_type not in ("Identity", "Cast") or len(node.input) != 1:
                return node.domain in DOMAINS and node.op_type == "Constant"
            name, seen = node.input[0], seen + 1
        return name in self._constants

    def _chain(self, name: str) -> list[Any]:
        """Return the operations between the observation and the value with this name."""
        nodes: list[Any] = []
        while name != self._input:
            node = self._made.get(name)
            if node is None:
                raise ValueError(f"nothing gives the value '{name[:80]}'")
            if len(nodes) == MOST_STEPS:
                raise ValueError(f"its operations form a loop, or are more than {MOST_STEPS}")
            if node.domain not in DOMAINS:
                raise ValueError(f"the operation {shown(node)} is of the domain {node.domain[:80]}")
            check_known(node)
            if node.output[0] != name:
                raise ValueError(f"the operation {shown(node)} has several results")
            values = [one for one in node.input if one and not self.is_constant(one)]
            if len(values) != 1:
                rule = "joins values that are not constants" if values else "has only constants"
                raise ValueError(f"the operation {shown(node)} {rule}; known are perceptrons without branches")
            nodes.append(node)
            name = values[0]
        return nodes[::-1]


#: operations of a multilayer perceptron -> attributes that are known
KNOWN: Mapping[str, tuple[str, ...]] = {
    "Gemm": ("alpha", "beta", "transA", "transB"), "MatMul": (), "Add": (), "Sub": (), "Mul": (), "Div": (),
    "Relu": (), "Tanh": (), "Elu": ("alpha",), "Clip": ("min", "max"), "Flatten": ("axis",),
    "Reshape": ("allowzero",), "Identity": (), "Cast": ("to", "saturate", "round_mode"),
    "ArgMax": ("axis", "keepdims", "select_last_index"),
}  # fmt: skip


def check_known(node: Any) -> None:
    """Raise ValueError if an operation cannot be part of a multilayer perceptron."""
    if node.op_type not in KNOWN:
        raise ValueError(
            f"the operation {shown(node)} is not part of a multilayer perceptron; known: {', '.join(KNOWN)}"
        )
    if len(node.attribute) > 8 or len(node.input) > 3:
        raise ValueError(f"the operation {shown(node)} has too many attributes or inputs")
    for one in node.attribute:
        if one.name not in KNOWN[node.op_type] or one.ref_attr_name:
            raise ValueError(f"the operation {shown(node)} has the attribute {one.name[:40]}")
        if not math.isfinite(one.f):
            raise ValueError(f"the operation {shown(node)} has {one.name} = {one.f}")


def read_graph(path: str | os.PathLike) -> Graph:
    """Return the graph of operations in an ONNX file.

    Raises OSError if the file cannot be read, and any other exception if its content is invalid.
    """
    with open_file(path) as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    if _structure(memoryview(raw), MODEL, [MOST_PARTS]) > MOST_STRUCTURE:
        raise ValueError(f"it has more than {MOST_STRUCTURE:,} bytes that are not weights")
    model = optional("onnx", "a policy in an .onnx file needs onnx", "policy").ModelProto.FromString(raw)
    del raw
    if model.ir_version not in IR_VERSIONS:
        raise ValueError(f"its IR version is {model.ir_version}: must be {IR_VERSIONS[0]} to {IR_VERSIONS[-1]}")
    opsets = [one.version for one in model.opset_import if one.domain in DOMAINS]
    if len(opsets) != 1 or opsets[0] not in OPSETS:
        raise ValueError(f"its opset is {opsets[:3]}: must be one of {OPSETS[0]} to {OPSETS[-1]}")
    if len(model.functions):
        raise ValueError("it has functions of its own; inline them with onnx.inliner.inline_local_functions")
    return Graph(model.graph)


def _structure(raw: memoryview, fields: Mapping[int, Any], left: list[int]) -> int:
    """Return the number of bytes of a protobuf message that are structure, not numbers.

    raw : the message
    fields : fields of the message with numbers or inner messages, as in `MODEL`
    left : maximum number of further fields, in a list of one element, which this function decreases
    """
    at = found = 0
    while at < len(raw):
        left[0] -= 1
        if left[0] < 0:
            raise ValueError(f"it has more than {MOST_PARTS:,} parts")
        begin = at
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, at = _varint(raw, at)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            size, at = _varint(raw, at)
            at += size
            if number in fields and at <= len(raw):
                inside = fields[number]
                found += 16 - size if inside is None else _structure(raw[at - size : at], inside, left) - size
        else:
            raise ValueError("it is not an ONNX file")
        if at > len(raw):
            raise ValueError("it ends early")
        found += at - begin
    return found


def _varint(raw: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for k in range(10):
        if at + k >= len(raw):
            raise ValueError("it ends early")
        value |= (raw[at + k] & 0x7F) << 7 * k
        if raw[at + k] < 0x80:
            return value, at + k + 1
    raise ValueError("it is not an ONNX file")


def _by_name(pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, one in pairs:
        if name in found:
            raise ValueError(f"it gives '{name[:80]}' two values")
        found[name] = one
    return found


def _shape_of(kind: Any) -> tuple[int, ...]:
    """Return the shape of the graph's input for one observation. The first of several axes is the batch axis."""
    tensor = kind.tensor_type
    if tensor.elem_type not in FLOATS or not tensor.HasField("shape"):
        raise ValueError("its input is not an array of floats with a shape")
    axes = [one.dim_value if one.HasField("dim_value") else 0 for one in tensor.shape.dim[: MOST_AXES + 1]]
    if len(axes) > 1 and axes[0] < 2:  # 0 or less for a size that is not fixed
        axes[0] = 1
    if not 0 < len(axes) <= MOST_AXES or min(axes) < 1 or math.prod(axes) > MOST_WEIGHTS:
        raise ValueError(f"its input has the shape {axes}: must be known, except for the first axis")
    if len(axes) > 1 and axes[0] != 1:
        raise ValueError(f"its input has the shape {axes}: must be for one observation; export it with a batch of one")
    return tuple(axes)


def _array(tensor: Any, finite: bool) -> np.ndarray:
    if tensor.data_location or len(tensor.external_data):
        fix = "save it in one file, with onnx.save_model(..., save_as_external_data=False)"
        raise ValueError(f"the numbers of '{tensor.name[:80]}' are in another file; {fix}")
    if tensor.data_type not in TYPES or len(tensor.dims) > MOST_AXES:
        raise ValueError(
            f"the constant '{tensor.name[:80]}' is of type {tensor.data_type}, with {len(tensor.dims)} axes"
        )
    code, field = TYPES[tensor.data_type]
    shape = tuple(tensor.dims)
    size = math.prod(shape)
    if min(shape, default=1) < 0 or size > MOST_WEIGHTS:
        raise ValueError(f"the constant '{tensor.name[:80]}' has the shape {list(shape)}")
    raw = tensor.raw_data
    numbers = getattr(tensor, field) if field and not raw else ()
    if (len(raw) if raw else len(numbers) * np.dtype(code).itemsize) != size * np.dtype(code).itemsize:
        raise ValueError(f"the constant '{tensor.name[:80]}' has other sizes than {list(shape)}")
    found = np.frombuffer(raw, code) if raw else np.fromiter(numbers, code, size)
    if finite and not np.isfinite(found).all():
        raise ValueError(f"the constant '{tensor.name[:80]}' has numbers that are not finite")
    return found.reshape(shape)


def _constant(node: Any, finite: bool) -> np.ndarray:
    if len(node.attribute) != 1:
        raise ValueError(f"the operation {shown(node)} has {len(node.attribute)} attributes")
    one = node.attribute[0]
    match one.name:
        case "value":
            return _array(one.t, finite)
        case "value_float" | "value_floats":
            found = np.array(one.f if one.name == "value_float" else one.floats, np.float32)
        case "value_int" | "value_ints":
            found = np.array(one.i if one.name == "value_int" else one.ints, np.int64)
        case _:
            raise ValueError(f"the operation {shown(node)} has the attribute {one.name[:40]}")
    if finite and not np.isfinite(found).all():
        raise ValueError(f"the operation {shown(node)} has numbers that are not finite")
    return found
