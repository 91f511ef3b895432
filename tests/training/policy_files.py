"""Files of policies, written by hand: .zip with the formats of torch, ``vecnormalize.pkl``, ONNX."""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import sys
import types
import zipfile
from contextlib import contextmanager

import gymnasium
import numpy as np

MARK = "executed"  # a file in the current folder that hostile content would make


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {MARK}",)


# a pickle as torch writes it, protocol 2 ----------------------------------------------------------------------
def text(value):
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def whole(*values):
    return b"".join(b"J" + value.to_bytes(4, "little", signed=True) for value in values)


def tensor(key, size, stride=None, count=None, offset=0, kind="torch\nFloatStorage"):
    """The operations of a pickle that torch writes for a tensor."""
    count = int(np.prod(size)) if count is None else count
    stride = [int(np.prod(size[k + 1 :])) for k in range(len(size))] if stride is None else stride
    storage = b"(" + text("storage") + f"c{kind}\n".encode() + text(key) + text("cpu") + whole(count) + b"tQ"
    sizes = b"(" + whole(*size) + b"t(" + whole(*stride) + b"t"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + whole(offset)
        + sizes
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


def pickled(weights, changed=None):
    items = {name: tensor(str(k), value.shape) for k, (name, value) in enumerate(weights.items())} | (changed or {})
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + b"".join(text(name) + one for name, one in items.items()) + b"u."


def saved(weights, changed=None, stored=None, compression=zipfile.ZIP_STORED):
    """A file of ``torch.save``; ``changed``: name -> other operations; ``stored``: name of a member -> other bytes."""
    members = {f"data/{k}": value.astype("<f4").tobytes() for k, value in enumerate(weights.values())}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in ({"data.pkl": pickled(weights, changed)} | members | (stored or {})).items():
            archive.writestr(f"archive/{name}", content)
    return file.getvalue()


def legacy(weights, changed=None, little=b"\x88", sizes=None):
    """A file of ``torch.save`` before torch 1.6; ``sizes``: key of a storage -> other number of elements."""
    magic = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
    machine = b"\x80\x02}(" + text("protocol_version") + b"M\xe9\x03" + text("little_endian") + little + b"u."
    keys = b"\x80\x02](" + b"".join(text(str(k)) for k in range(len(weights))) + b"e."
    storages = b"".join(
        (sizes or {}).get(str(k), value.size).to_bytes(8, "little") + value.astype("<f4").tobytes()
        for k, value in enumerate(weights.values())
    )
    return magic + b"\x80\x02M\xe9\x03." + machine + pickled(weights, changed) + keys + storages


# .zip of stable-baselines3 -------------------------------------------------------------------------------------
BOX = {":type:": "<class 'gymnasium.spaces.box.Box'>", "_shape": [3], "low": "[-1. -1. -1.]", "high": "[2. 2. 2.]"}
DISCRETE = {":type:": "<class 'gymnasium.spaces.discrete.Discrete'>", "n": "2", "_shape": []}
BOUNDED = BOX | {"_shape": [2], "low": "[-1.\n -4.]", "high": "[2. 4.]"}


def space(kind):
    return {":type:": f"<class 'gymnasium.spaces.{kind}'>"}


def data(module="stable_baselines3.common.policies", observes=BOX, acts=BOUNDED, **options):
    names = {"policy_class": {"__module__": module}, "policy_kwargs": options}
    return names | {"observation_space": observes, "action_space": acts}


def layers(*names, sizes=(3, 4, 2), seed=0):
    rng = np.random.default_rng(seed)
    shapes = zip(names, sizes[1:], sizes[:-1], strict=True)
    found = [(f"{n}.weight", rng.normal(size=(b, a)), f"{n}.bias", rng.normal(size=b)) for n, b, a in shapes]
    return {name: np.float32(value) for w, x, b, y in found for name, value in ((w, x), (b, y))}


ACTOR = layers("mlp_extractor.policy_net.0", "action_net")
FIRST = "mlp_extractor.policy_net.0.weight"


def written(path, content, policy, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("data", content if isinstance(content, str | bytes) else json.dumps(content))
        archive.writestr("policy.pth", policy)
    return path


# vecnormalize.pkl ----------------------------------------------------------------------------------------------
class VecNormalize:
    __module__ = "stable_baselines3.common.vec_env.vec_normalize"


class RunningMeanStd:
    __module__ = "stable_baselines3.common.running_mean_std"


@contextmanager
def importable(*classes):
    """Let pickle find classes in the modules that they say."""
    parts = [one.__module__.split(".") for one in classes]
    names = {".".join(part[: k + 1]) for part in parts for k in range(len(part))}
    modules = {name: types.ModuleType(name) for name in names}
    for one in classes:
        setattr(modules[one.__module__], one.__name__, one)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


MEAN, VARIANCE = np.array([0.5, -1.0, 2.0]), np.array([4.0, 0.25, 1.0])


def statistics(protocol=4, dumps=pickle.dumps, mean=MEAN, variance=VARIANCE, **changed):
    """A ``vecnormalize.pkl`` as `VecNormalize.save` writes it. ``changed``: other attributes."""
    one, observed = VecNormalize(), RunningMeanStd()
    observed.mean, observed.var, observed.count = mean, variance, 1000.0001
    box = gymnasium.spaces.Box(-np.inf, np.inf, (3,), seed=1)
    given = {
        "num_envs": 2, "observation_space": box, "action_space": gymnasium.spaces.Discrete(2, seed=1),
        "obs_rms": observed, "ret_rms": None, "epsilon": 1e-8, "clip_obs": np.float64(10.0), "norm_obs": True,
        "norm_obs_keys": None, "old_reward": np.zeros(2), "random": np.random.RandomState(3),
    }  # fmt: skip
    one.__dict__.update(given | changed)
    with importable(VecNormalize, RunningMeanStd):
        return dumps(one, protocol)


# ONNX ------------------------------------------------------------------------------------------------------------
def onnx_model(nodes, constants=None, shape=(1, 3), outputs=("y",), opset=17, inputs=("x",), domains=(), **changed):
    """Bytes of a model; ``nodes``: (operation, inputs, outputs, attributes); ``constants``: name -> array."""
    from onnx import TensorProto, helper, numpy_helper

    made = [
        helper.make_node(kind, list(given), list(found), name=f"node{k}", **attributes)
        for k, (kind, given, found, attributes) in enumerate(nodes)
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in inputs]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(made, "policy", values, results, constants)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(one, 1) for one in domains)]
    model = helper.make_model(graph, opset_imports=opsets, **({"ir_version": 8} | changed))
    return model.SerializeToString()


def onnx_layers(*sizes, seed=0):
    """Constants W0, b0, W1, ... of layers, (outputs, inputs) and (outputs,) float32."""
    rng = np.random.default_rng(seed)
    found = {}
    for k, (a, b) in enumerate(itertools.pairwise(sizes)):
        found |= {f"W{k}": rng.normal(size=(b, a)), f"b{k}": rng.normal(size=b)}
    return {name: value.astype(np.float32) for name, value in found.items()}


TWO = onnx_layers(3, 4, 2)


def gemm(k, given, found, **attributes):
    return "Gemm", (given, f"W{k}", f"b{k}"), (found,), {"transB": 1} | attributes


def mlp(*end, activation="Tanh", constants=None, **changed):
    """A model of two layers, whose values "v" the operations ``end`` make "y"."""
    nodes = [gemm(0, "x", "h"), (activation, ("h",), ("a",), {}), gemm(1, "a", "v" if end else "y"), *end]
    return onnx_model(nodes, TWO | (constants or {}), **changed)


def onnx_normalized():
    """A model that normalises its observation."""
    constants = {
        "mean": np.float32([0.5, -1, 2]),
        "std": np.float32([2, 0.5, 1]),
        "lo": np.float32(-5),
        "hi": np.float32(5),
    }
    nodes = [
        ("Sub", ("x", "mean"), ("d",), {}), ("Div", ("d", "std"), ("e",), {}), ("Clip", ("e", "lo", "hi"), ("n",), {}),
        gemm(0, "n", "h"), ("Elu", ("h",), ("a",), {}), gemm(1, "a", "y"),
    ]  # fmt: skip
    return onnx_model(nodes, TWO | constants)
