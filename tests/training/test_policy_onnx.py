"""A perceptron in an ONNX file acts as its operations say, and other files are refused by name."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
import pytest

from snn_control.errors import DescriptionError, SnnControlError
from snn_control.training.teachers.teacher import teacher_of
from snn_control.training.teachers.trained_policy import load_policy
from tests.training.policy_files import TWO, gemm, mlp, onnx_layers, onnx_model, statistics

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")

X = np.float32([[0.3, -0.2, 0.9], [2.0, -3.0, 0.1], [0, 0, 0]])


def scalar(value):
    return np.array(value, np.float32)


def step(kind, given, found, **attributes):
    return kind, tuple(given.split()), (found,), attributes


def loaded(tmp_path, raw):
    path = tmp_path / "a.onnx"
    path.write_bytes(raw)
    return load_policy(path, what="POLICY")


def answers(raw, observations, shape=(1, 3)):
    """The first output for each observation, as the reference implementation of ONNX computes it."""
    session = reference.ReferenceEvaluator(onnx.load_from_string(raw))
    return np.array([session.run(None, {"x": x.reshape(shape)})[0].ravel() for x in observations])


STATISTICS = {"mean": np.float32([0.5, -1, 2]), "std": np.float32([2, 0.5, 1]), "five": scalar(5), "-five": scalar(-5)}
BOUNDS = {"two": np.float32([2, 0.5]), "one": scalar(1), "-one": scalar(-1), "three": scalar(3), "-three": scalar(-3)}
SHORT = {"low": scalar(-0.25), "high": scalar(0.25)}
MATMUL = {"M0": TWO["W0"].T.copy(), "c0": TWO["b0"], "M1": TWO["W1"].T.copy(), "c1": TWO["b1"][None]}
NORMALIZED = [
    step("Sub", "x mean", "d"), step("Div", "d std", "e"), step("Clip", "e -five five", "n"), gemm(0, "n", "h"),
    step("Elu", "h", "a"), gemm(1, "a", "y"),
]  # fmt: skip
CASES = {
    "one layer": onnx_model([gemm(0, "x", "y")], onnx_layers(3, 2)),
    "tanh": mlp(),
    "relu": mlp(activation="Relu"),
    "elu": mlp(activation="Elu"),
    "factors": onnx_model([gemm(0, "x", "h", alpha=0.5, beta=2.0), step("Relu", "h", "a"), gemm(1, "a", "y")], TWO),
    "matmul": onnx_model(
        [
            step("MatMul", "x M0", "p"),
            step("Add", "c0 p", "h"),
            step("Tanh", "h", "a"),
            step("MatMul", "a M1", "q"),
            step("Add", "q c1", "y"),
        ],
        MATMUL,
    ),
    "two matrices": onnx_model(
        [step("MatMul", "x M0", "p"), step("Add", "p c0", "h"), step("MatMul", "h M1", "y")], MATMUL
    ),
    "normalized": onnx_model(NORMALIZED, TWO | STATISTICS),
    "statistics without clip": onnx_model(
        [step("Sub", "x mean", "d"), step("Mul", "d std", "n"), gemm(0, "n", "y")], onnx_layers(3, 2) | STATISTICS
    ),
    "scales of both signs": onnx_model(
        [step("Sub", "mean x", "d"), step("Mul", "d mean", "n"), gemm(0, "n", "h"), step("Sub", "one h", "y")],
        onnx_layers(3, 2) | STATISTICS | BOUNDS,
    ),
    "scale in the layers": onnx_model(
        [
            gemm(0, "x", "h"),
            step("Tanh", "h", "a"),
            step("Mul", "a three", "b"),
            step("Add", "b one", "c"),
            gemm(1, "c", "d"),
            step("Div", "d two", "y"),
        ],
        TWO | BOUNDS,
    ),
    "flat": onnx_model([step("Flatten", "x", "f", axis=1), gemm(0, "f", "y")], onnx_layers(6, 2), shape=(1, 3, 2)),
    "reshaped": onnx_model(
        [step("Reshape", "x s", "f"), gemm(0, "f", "y")], onnx_layers(6, 2) | {"s": np.array([0, -1])}, shape=(1, 3, 2)
    ),
    "vector": onnx_model([step("MatMul", "x M", "y")], {"M": np.ones((3, 2), np.float32)}, shape=(3,)),
    "identities": onnx_model(
        [
            step("Constant", "", "k", value_floats=[1.0, 2.0, 3.0]),
            step("Identity", "k", "i"),
            step("Cast", "i", "c", to=1),
            step("Identity", "x", "z"),
            step("Cast", "z", "u", to=1),
            step("Add", "u c", "v"),
            gemm(0, "v", "y"),
        ],
        onnx_layers(3, 2),
    ),
    "clip": mlp(step("Clip", "v low high", "y"), constants=SHORT),
    "clip without a bound": mlp(step("Clip", "v low", "y"), constants=SHORT),
    "clip of old": mlp(step("Clip", "v", "y", min=-0.5, max=0.25), opset=10),
    "clip, scaled": mlp(step("Clip", "v -one one", "w"), step("Mul", "w two", "y"), constants=BOUNDS),
    "clip, turned": mlp(step("Clip", "v low three", "w"), step("Sub", "one w", "y"), constants=BOUNDS | SHORT),
    "squashed": mlp(step("Tanh", "v", "y")),
    "squashed and scaled": mlp(
        step("Tanh", "v", "t"), step("Mul", "t two", "s"), step("Add", "s one", "y"), constants=BOUNDS
    ),
    "squashed and turned": mlp(step("Tanh", "v", "t"), step("Sub", "one t", "y"), constants=BOUNDS),
    "gSDE": mlp(step("Clip", "v low high", "c"), step("Tanh", "c", "y"), constants=SHORT),
    "squashed and clipped": mlp(step("Tanh", "v", "t"), step("Clip", "t -one one", "y"), constants=BOUNDS),
    "choice": mlp(step("ArgMax", "v", "c", axis=1), step("Cast", "c", "d", to=7), step("Flatten", "d", "y")),
    "choice of old": mlp(step("ArgMax", "v", "y", axis=-1, keepdims=0), opset=11),
}


@pytest.mark.parametrize("case", CASES)
def test_a_policy_acts_as_the_operations_say(tmp_path, case):
    raw = CASES[case]
    policy = loaded(tmp_path, raw)
    shape = tuple(one.dim_value for one in onnx.load_from_string(raw).graph.input[0].type.tensor_type.shape.dim)
    many = np.resize(X, (3, policy.inputs)).astype(np.float32)
    found = np.array([np.ravel(policy(x)) for x in many])
    np.testing.assert_allclose(found, answers(raw, many, shape), rtol=2e-5, atol=1e-6)
    assert policy.raw(many).shape == (3, policy.outputs)


def test_the_end_of_the_operations_is_the_head(tmp_path):
    heads = {case: loaded(tmp_path, raw).head for case, raw in CASES.items()}
    assert {case for case, head in heads.items() if head == "argmax"} == {"choice", "choice of old"}
    assert {case for case, head in heads.items() if head == "clip"} == {
        case for case in heads if case.startswith("clip")
    }
    assert {case for case, head in heads.items() if head == "tanh"} == {"gSDE", *(c for c in heads if c[:3] == "squ")}
    box = gymnasium.spaces.Box(np.float32([-3, 0]), np.float32([5, 1]))
    alone = loaded(tmp_path, CASES["squashed"]).for_space(box)
    np.testing.assert_array_equal([alone.low, alone.high], [[-3, 0], [5, 1]])
    scaled = loaded(tmp_path, CASES["squashed and scaled"]).for_space(box)
    np.testing.assert_array_equal([scaled.low, scaled.high], [[-1, 0.5], [3, 1.5]])
    assert loaded(tmp_path, CASES["gSDE"]).bound == 0.25
    linear = loaded(tmp_path, CASES["tanh"])
    assert (linear.for_space(box).head, linear.for_space(gymnasium.spaces.Discrete(2)).head) == ("clip", "argmax")


def test_the_normalization_of_a_file_is_kept_apart_from_its_layers(tmp_path):
    policy = loaded(tmp_path, CASES["normalized"])
    mean, std, clip = policy.normalization
    np.testing.assert_allclose([mean, std], [STATISTICS["mean"], STATISTICS["std"]])
    assert clip == 5
    np.testing.assert_array_equal(policy.layers[0][0], TWO["W0"])
    (tmp_path / "v.pkl").write_bytes(statistics())
    with pytest.raises(DescriptionError, match=r"--normalize = .* are normalised in its own file"):
        load_policy(tmp_path / "a.onnx", tmp_path / "v.pkl")
    (tmp_path / "a.onnx").write_bytes(mlp())
    assert load_policy(tmp_path / "a.onnx", tmp_path / "v.pkl").normalization.clip == 10


def test_without_onnx_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SnnControlError, match=r"an \.onnx file needs onnx: pip install .*policy"):
        loaded(tmp_path, CASES["tanh"])


def test_only_what_leads_to_the_first_output_counts(tmp_path):
    value = [gemm(0, "x", "g"), step("Exp", "g", "value")]
    nodes = [gemm(0, "x", "h"), step("Tanh", "h", "a"), gemm(1, "a", "y"), *value]
    raw = onnx_model(nodes, TWO, outputs=("y", "value"), shape=("batch", 3))
    np.testing.assert_allclose(loaded(tmp_path, raw)(X[0]), answers(raw, X)[0], rtol=1e-5)


def test_a_perceptron_is_a_teacher(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(onnx_model([gemm(0, "x", "y")], onnx_layers(4, 2), shape=("n", 4)))
    world = gymnasium.make("CartPole-v1")
    assert teacher_of(str(path), world)(world, np.float32([0, 0, 0.1, 0.2]), {}) in (0, 1)
    with pytest.raises(DescriptionError, match="trained for 4 observed values, the environment has 3"):
        teacher_of(str(path), gymnasium.make("Pendulum-v1"))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (mlp(activation="Sigmoid"), "Sigmoid 'node1' is not part of a multilayer perceptron; known: Gemm"),
        (mlp(activation="Softplus"), "Softplus 'node1'"),
        (mlp(step("Softmax", "v", "y")), "Softmax 'node3'"),
        (mlp(step("Relu", "v", "y")), "Relu 'node3' is at the end; known are Tanh, Clip and ArgMax"),
        (mlp(step("ArgMax", "v", "y", axis=0)), "ArgMax 'node3' must be of the last axis"),
        (mlp(step("ArgMax", "v", "z", axis=1), step("Tanh", "z", "y")), "Tanh 'node4' follows an ArgMax"),
        (mlp(step("Tanh", "v", "t"), step("Clip", "t low high", "y"), constants=SHORT), "changes the action after its"),
        (
            mlp(step("Clip", "v low -one", "t"), step("Tanh", "t", "y"), constants=BOUNDS | {"low": scalar(-2)}),
            "-x and x",
        ),
        (mlp(step("Clip", "v high low", "y"), constants=SHORT), "has the bounds 0.25 and -0.25"),
        (mlp(step("Clip", "v two", "y"), constants=BOUNDS), "has a bound that is not one number"),
        (mlp(step("Cast", "v", "y", to=7)), "makes numbers that are not floats"),
        (mlp(step("Add", "v h", "y")), "Add 'node3' joins values that are not constants"),
        (mlp(step("Div", "one v", "y"), constants=BOUNDS), "Div 'node3' must be of the observation and a constant"),
        (mlp(step("Add", "v mean", "y"), constants=STATISTICS), "needs a constant of at most 2 numbers"),
        (
            mlp(step("Add", "v column", "y"), constants={"column": np.ones((2, 1), np.float32)}),
            r"joins \[1, 2\] and \[2, 1\]",
        ),
        (
            mlp(
                step("Mul", "v zero", "t"),
                step("Tanh", "t", "u"),
                step("Mul", "u zero", "y"),
                constants={"zero": scalar(0)},
            ),
            "gives actions without a range",
        ),
        (mlp(step("Div", "v zero", "y"), constants={"zero": scalar(0)}), "its weights are not finite"),
        (mlp(constants={"W0": np.full((4, 3), np.inf, np.float32)}), "'W0' has numbers that are not finite"),
        (mlp(constants={"W0": np.ones((4, 5), np.float32)}), r"Gemm 'node0' multiplies \[1, 3\] by \[5, 4\]"),
        (mlp(constants={"W0": np.ones((4, 3), np.int64)}), "are too many, or not floats"),
        (mlp(constants={"W0": np.ones((4, 3), np.int8)}), "'W0' is of type 3"),
        (mlp(shape=(1, 5)), "multiplies"),
        (mlp(shape=("n", "m")), "its input has the shape"),
        (mlp(shape=(4, 3)), "must be for one observation; export it with a batch of one"),
        (mlp(shape=(1, 1 << 20)), "observed values: must be at most"),
        (mlp(inputs=("x", "h_in", "c_in")), r"has 3 inputs \(x, h_in, c_in\): .* is it recurrent"),
        (mlp(step("Elu", "v", "w", alpha=0.5), step("Relu", "w", "y")), "has alpha = 0.5: must be 1"),
        (
            onnx_model(
                [
                    gemm(0, "x", "h"),
                    step("Relu", "h", "a"),
                    gemm(1, "a", "b"),
                    step("Tanh", "b", "c"),
                    gemm(2, "c", "y"),
                ],
                onnx_layers(3, 4, 4, 2),
            ),
            "Tanh 'node3' is another activation than relu",
        ),
        (
            onnx_model([gemm(0, "x", "h"), step("Relu", "h", "a"), step("Relu", "a", "b"), gemm(1, "b", "y")], TWO),
            "between layers",
        ),
        (
            onnx_model([gemm(0, "x", "h"), step("Clip", "h low high", "a"), gemm(1, "a", "y")], TWO | SHORT),
            "between layers",
        ),
        (
            onnx_model([step("Tanh", "x", "h"), gemm(0, "h", "y")], onnx_layers(3, 2)),
            "Tanh 'node0' comes before the first",
        ),
        (onnx_model([step("Tanh", "x", "y")]), "it has 0 products with a matrix"),
        (onnx_model([step("Reshape", "x s", "h"), gemm(0, "h", "y")], TWO | {"s": np.array([3, -1])}), "multiplies"),
        (
            onnx_model([step("Reshape", "x s", "h"), gemm(0, "h", "y")], TWO | {"s": np.array([2, -1])}),
            r"makes \[2, -1\] of",
        ),
        (onnx_model([gemm(0, "x", "y", transA=1)], TWO), r"must be \(observation\) x \(constant\)"),
        (onnx_model([gemm(0, "x", "y", surprise=1)], TWO), "has the attribute surprise"),
        (onnx_model([gemm(0, "x", "h")], TWO), "nothing gives the value 'y'"),
        (mlp(opset=99), r"its opset is \[99\]"),
        (mlp(opset=6), r"its opset is \[6\]"),
        (mlp(ir_version=99), "its IR version is 99"),
    ],
)
def test_other_operations_are_refused_by_name(tmp_path, raw, says):
    with pytest.raises(DescriptionError, match=f"POLICY = .*a.onnx': is not a multilayer perceptron .*: .*{says}"):
        loaded(tmp_path, raw)
