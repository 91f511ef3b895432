"""Hostile ONNX files are refused: no other file is read, no function runs, and they take little time and memory."""

from __future__ import annotations

import os

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.training.teachers.trained_policy import load_policy
from tests.training.memory import MOST_MEMORY, peak
from tests.training.policy_files import TWO, gemm, mlp, onnx_layers, onnx_model

onnx = pytest.importorskip("onnx")


def refused(says, raw, path):
    path.write_bytes(raw)

    def load():
        with pytest.raises(DescriptionError, match=f"a.onnx': is not a multilayer perceptron .*: .*{says}"):
            load_policy(path)

    assert peak(load) <= MOST_MEMORY + len(raw)


def changed(change, raw=None):
    """A model that ``change`` has changed."""
    model = onnx.load_from_string(mlp() if raw is None else raw)
    change(model)
    return model.SerializeToString()


def weight(**fields):
    """A model whose first weights have other fields; "external": a path."""

    def change(model):
        tensor = model.graph.initializer[0]
        for name, value in fields.items():
            if name == "external":
                tensor.data_location = tensor.EXTERNAL
                entry = tensor.external_data.add()
                entry.key, entry.value = "location", value
            elif name in ("dims", "float_data", "int64_data"):
                del getattr(tensor, name)[:]
                getattr(tensor, name).extend(value)
            else:
                setattr(tensor, name, value)

    return changed(change)


def subgraph(kind):
    """A model whose activation is an operation with graphs inside."""
    inside = onnx.load_from_string(mlp()).graph
    branches = {"If": ["then_branch", "else_branch"]}.get(kind, ["body"])

    def change(model):
        node = model.graph.node[1]
        node.op_type = kind
        node.attribute.extend(onnx.helper.make_attribute(name, inside) for name in branches)

    return changed(change)


def first(model):
    return model.graph.node[0]


def renamed(model):
    first(model).input[0] = model.graph.node[1].output[0]  # its operations form a loop


def of_itself(model):
    model.graph.node.add(op_type="Identity", input=["b0x"], output=["b0x"], name="own")
    first(model).input[2] = "b0x"


def a_function(model):
    function = model.functions.add(name="Tanh", domain="", output=["y"], input=["x"])
    function.node.add(op_type="Shell", input=["x"], output=["y"])


def field(number, raw):
    """A field of a protobuf message that holds bytes."""
    size, tag, head = len(raw), number << 3 | 2, b""
    for value in (tag, size):
        while value >= 0x80:
            head, value = head + bytes([value & 0x7F | 0x80]), value >> 7
        head += bytes([value])
    return head + raw


MODEL = mlp()
CASES = {
    "weights in another file": (weight(external="/etc/passwd"), "'W0' are in another file; save it in one file"),
    "weights in a file of a folder above": (weight(external="../../secret"), "are in another file"),
    "an external location alone": (weight(data_location=1), "are in another file"),
    "If": (subgraph("If"), "If 'node1' is not part of a multilayer perceptron"),
    "Loop": (subgraph("Loop"), "Loop 'node1' is not part"),
    "Scan": (subgraph("Scan"), "Scan 'node1' is not part"),
    "another domain": (
        changed(lambda m: setattr(first(m), "domain", "com.evil")),
        "Gemm 'node0' is of the domain com.evil",
    ),
    "a constant of another domain": (
        changed(
            lambda m: m.graph.node.add(op_type="Constant", domain="evil", output=["c"]),
            onnx_model([gemm(0, "x", "h"), ("Add", ("h", "c"), ("y",), {})], onnx_layers(3, 2)),
        ),
        "joins values",
    ),
    "a function": (changed(a_function), "it has functions of its own; inline them"),
    "2^31 rows": (weight(dims=[1 << 31, 3]), "'W0' has the shape"),
    "2^62 numbers": (weight(dims=[1 << 31, 1 << 31]), "'W0' has the shape"),
    "a size that wraps": (weight(dims=[1 << 32, 1 << 32, 4, 3]), "'W0' has the shape"),
    "a negative size": (weight(dims=[-4, -3]), "'W0' has the shape"),
    "1,000 axes": (weight(dims=[1] * 1000), "with 1000 axes"),
    "weights that are short": (weight(dims=[4, 4]), "'W0' has other sizes than"),
    "weights of text": (weight(data_type=8), "'W0' is of type 8"),
    "weights of no type": (weight(data_type=0), "'W0' is of type 0"),
    "weights in two fields": (weight(raw_data=b"", float_data=[1.0] * 11), "'W0' has other sizes than"),
    "not finite": (weight(raw_data=np.full(12, np.nan, "<f4").tobytes()), "'W0' has numbers that are not finite"),
    "sparse": (changed(lambda m: m.graph.sparse_initializer.add()), "it has sparse constants"),
    "a loop": (changed(renamed), "form a loop|given|joins"),
    "a constant that is itself": (changed(of_itself), "refer to each other|joins"),
    "two values of one name": (changed(lambda m: m.graph.node.append(first(m))), "it gives 'h' two values"),
    "two weights of one name": (changed(lambda m: m.graph.initializer.append(m.graph.initializer[0])), "two values"),
    "a weight that is an operation": (
        changed(lambda m: first(m).output.append("W1")),
        "gives a value that the file gives",
    ),
    "an input that is an operation": (
        changed(lambda m: first(m).output.append("x")),
        "gives a value that the file gives",
    ),
    "no input": (changed(lambda m: m.graph.ClearField("input")), "it has 0 inputs"),
    "no output": (changed(lambda m: m.graph.ClearField("output")), "it has no output"),
    "no graph": (changed(lambda m: m.ClearField("graph")), ""),
    "no opset": (changed(lambda m: m.ClearField("opset_import")), "its opset is"),
    "an input of sequences": (
        changed(lambda m: m.graph.input[0].type.sequence_type.elem_type.SetInParent()),
        "not an array",
    ),
    "an input of 2^31 numbers": (mlp(shape=(1, 1 << 31)), "its input has the shape"),
    "an input of 16,777,216 numbers": (mlp(shape=(1, 1 << 24)), "its input has the shape"),
    "no inputs of an operation": (changed(lambda m: first(m).ClearField("input")), "has only constants"),
    "an attribute of a function": (
        changed(lambda m: setattr(first(m).attribute[0], "ref_attr_name", "a")),
        "has the attribute transB",
    ),
    "an attribute that is not finite": (mlp(constants={}).replace(b"transB", b"alpha\0"), ""),
    "many steps": (
        onnx_model([("Tanh", (f"t{k}" if k else "x",), (f"t{k + 1}",), {}) for k in range(500)], outputs=("t500",)),
        "more than 128",
    ),
    "many operations": (changed(lambda m: [m.graph.node.add() for _ in range(2000)]), "more than 1,024 operations"),
    "10^6 empty operations": (MODEL + field(7, field(1, b"") * 10**6), "more than 65,536 parts"),
    "10^6 empty texts": (MODEL + field(14, b"") * 10**6, "more than 65,536 parts"),
    "4 MiB of operations in a function": (
        MODEL + field(25, field(7, b"") * (1 << 21)),
        "524,288 bytes that are not weights",
    ),
    "500 kB of operations in a function": (MODEL + field(25, field(7, b"") * 250_000), "it has functions of its own"),
    "500 kB of graphs in an operation": (
        MODEL + field(7, field(1, field(5, field(6, field(1, field(5, field(11, b"") * 250_000)))))),
        None,
    ),
    "4 MiB of operations in an attribute": (
        MODEL + field(7, field(1, field(5, field(6, field(1, b"") * (1 << 21))))),
        "524,288 bytes that are not weights",
    ),
    "250,000 graphs in an attribute": (
        MODEL + field(7, field(1, field(5, field(11, b"") * 250_000))),
        "more than 65,536 parts",
    ),
    "100,000 sizes": (weight(dims=[1] * 100_000), "more than 65,536 parts"),
    "cut off": (MODEL[:-7], ""),
    "half": (MODEL[: len(MODEL) // 2], ""),
    "empty": (b"", ""),
    "a size beyond the end": (field(7, MODEL)[:3] + b"\xff\xff\xff\xff\x0f", ""),
    "a number without end": (b"\x08" + b"\xff" * 20, "it is not an ONNX file"),
    "groups": (b"\x0b" * 100_000, "it is not an ONNX file"),
    "text that is not UTF-8": (MODEL.replace(b"node0", b"nod\xff\xfe").replace(b"Gemm", b"Gems"), ""),
    "33 MiB": (MODEL + field(99, bytes(33 << 20)), "it has more than 33,554,432 bytes"),
    "30 MiB of something else": (MODEL + field(99, bytes(30 << 20)), "524,288 bytes that are not weights"),
}


def nested(depth):
    raw = b""
    for _ in range(depth):
        raw = field(1, field(5, field(6, raw)))
    return MODEL + field(7, raw)


@pytest.mark.parametrize("name", CASES)
def test_models(tmp_path, name):
    raw, says = CASES[name]
    if says is not None:
        refused(says, raw, tmp_path / "a.onnx")
        return
    (tmp_path / "a.onnx").write_bytes(raw)  # what is hostile there is not used
    assert peak(lambda: load_policy(tmp_path / "a.onnx")) <= MOST_MEMORY + len(raw)


def test_graphs_in_graphs(tmp_path):
    refused("", nested(1000), tmp_path / "a.onnx")


def test_a_policy_of_many_weights_needs_little_memory(tmp_path):
    path, n = tmp_path / "a.onnx", 1448  # 1,448 squared is almost the limit
    square = {"W0": np.eye(n, dtype=np.float16), "b0": np.ones(n, np.float16)}
    path.write_bytes(onnx_model([gemm(0, "x", "y")], square, shape=(1, n)))
    assert peak(lambda: load_policy(path)) <= MOST_MEMORY + os.path.getsize(path)
    deep = {f"{name}{k}": value for k in range(2) for name, value in zip("Wb", square.values())}
    nodes = [gemm(0, "x", "h"), ("Relu", ("h",), ("a",), {}), gemm(1, "a", "y")]
    refused("too many", onnx_model(nodes, deep, shape=(1, n)), path)


def test_matrices_without_an_activation_do_not_become_a_large_one(tmp_path):
    thin = onnx_layers(1 << 14, 1, 1 << 14)
    raw = onnx_model([gemm(0, "x", "h"), gemm(1, "h", "y")], thin, shape=(1, 1 << 14))
    refused("follows a matrix without an activation", raw, tmp_path / "a.onnx")
    steps = [("Add", (f"t{k}" if k else "x", "one"), (f"t{k + 1}",), {}) for k in range(120)]
    raw = onnx_model([*steps, gemm(0, "t120", "y")], {**TWO, "one": np.float32(1)}, shape=(1, 1 << 14))
    refused("multiplies", raw, tmp_path / "a.onnx")
