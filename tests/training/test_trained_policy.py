"""Policies of stable-baselines3 act as they did where they were trained, and nothing in a file is run."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile

import cloudpickle
import gymnasium
import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.training.teachers.policy_zip import MOST_BYTES
from snn_control.training.teachers.teacher import teacher_of
from snn_control.training.teachers.trained_policy import load_policy
from tests.fixtures import fixture


@pytest.mark.parametrize(
    ("name", "env", "episodes", "mean"),
    [("dqn-CartPole-v1", "CartPole-v1", 2, 500.0), ("sac-Pendulum-v1", "Pendulum-v1", 20, -130.3)],
)
def test_a_policy_has_the_return_that_it_had_in_stable_baselines3(name, env, episodes, mean):
    world = gymnasium.make(env)
    teacher, returns = teacher_of(str(fixture(f"policies/{name}.zip")), world), []
    for seed in range(10_000, 10_000 + episodes):
        observation, info, total, over = *world.reset(seed=seed), 0.0, False
        while not over:
            action = teacher(world, observation, info)
            observation, reward, terminated, truncated, info = world.step(action)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    assert np.mean(returns) == pytest.approx(mean, abs=0.05)


@pytest.mark.parametrize(
    ("name", "inputs", "action"),
    [
        ("ppo-LunarLander-v2", 8, 3),
        ("ppo-BipedalWalker-v3", 24, [1.0, 1.0, 0.27252, -1.0]),
        ("sac-HalfCheetah-v3", 17, [-0.63233, 0.00823, -0.33817, -0.63503, -0.91550, -0.61808]),
        ("sac-Walker2d-v3", 17, [-0.63236, 0.99892, 0.70537, 0.93417, 0.94006, 0.98031]),
    ],
)
def test_policies_of_many_spaces_are_read(name, inputs, action):
    np.testing.assert_allclose(load_policy(fixture(f"policies/{name}.zip"))(np.zeros(inputs)), action, atol=1e-4)


# files that are made here ------------------------------------------------------------------------------------
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


def saved(weights, changed=None, stored=None, compression=zipfile.ZIP_STORED):
    """A file of ``torch.save``; ``changed``: name -> other operations; ``stored``: name of a member -> other bytes."""
    items = {name: tensor(str(k), value.shape) for k, (name, value) in enumerate(weights.items())} | (changed or {})
    members = {f"data/{k}": value.astype("<f4").tobytes() for k, value in enumerate(weights.values())}
    pickled = b"\x80\x02}(" + b"".join(text(name) + one for name, one in items.items()) + b"u."
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in ({"data.pkl": pickled} | members | (stored or {})).items():
            archive.writestr(f"archive/{name}", content)
    return file.getvalue()


BOX = {":type:": "<class 'gymnasium.spaces.box.Box'>", "_shape": [3], "low": "[-1. -1. -1.]", "high": "[2. 2. 2.]"}
DISCRETE = {":type:": "<class 'gymnasium.spaces.discrete.Discrete'>", "n": "2", "_shape": []}
BOUNDED = BOX | {"_shape": [2], "low": "[-1.\n -4.]", "high": "[2. 4.]"}


def data(module="stable_baselines3.common.policies", observes=BOX, acts=BOUNDED, **options):
    names = {"policy_class": {"__module__": module}, "policy_kwargs": options}
    return names | {"observation_space": observes, "action_space": acts}


def layers(*names, sizes=(3, 4, 2), seed=0):
    rng = np.random.default_rng(seed)
    shapes = zip(names, sizes[1:], sizes[:-1], strict=True)
    found = [(f"{n}.weight", rng.normal(size=(b, a)), f"{n}.bias", rng.normal(size=b)) for n, b, a in shapes]
    return {name: np.float32(value) for w, x, b, y in found for name, value in ((w, x), (b, y))}


ACTOR = layers("mlp_extractor.policy_net.0", "action_net")


def written(path, content, policy, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("data", content if isinstance(content, str | bytes) else json.dumps(content))
        archive.writestr("policy.pth", policy)
    return path


X = np.float32([0.3, -0.2, 0.9])


def hand(weights, function):
    (w, b), (v, c) = zip(list(weights.values())[::2], list(weights.values())[1::2], strict=True)
    return v @ function(w @ X + b) + c


TD3, TQC = layers("actor.mu.0", "actor.mu.2"), layers("actor.latent_pi.0", "actor.mu.0")
QR = layers("quantile_net.quantile_net.0", "quantile_net.quantile_net.2", sizes=(3, 4, 6))
RELU = "<class 'torch.nn.modules.activation.ReLU'>"


@pytest.mark.parametrize(
    ("content", "weights", "action"),
    [
        (data(), ACTOR, hand(ACTOR, np.tanh).clip([-1, -4], [2, 4])),
        (data(activation_fn=RELU), ACTOR, hand(ACTOR, lambda x: x.clip(0)).clip([-1, -4], [2, 4])),
        (data(acts=DISCRETE), ACTOR, hand(ACTOR, np.tanh).argmax()),
        (
            data("stable_baselines3.td3.policies"),
            TD3 | {"actor_target.mu.0.weight": np.zeros(1)},
            np.float32([0.5, 0]) + np.float32([1.5, 4]) * np.tanh(hand(TD3, lambda x: x.clip(0))),
        ),
        (
            data("sb3_contrib.tqc.policies", clip_mean=0.5),
            TQC,
            np.float32([0.5, 0]) + np.float32([1.5, 4]) * np.tanh(hand(TQC, lambda x: x.clip(0)).clip(-0.5, 0.5)),
        ),
        (
            data("sb3_contrib.qrdqn.policies", acts=DISCRETE),
            QR,
            hand(QR, lambda x: x.clip(0)).reshape(3, 2).mean(0).argmax(),
        ),
    ],
    ids=["ppo", "relu", "choice", "td3", "tqc with gSDE", "qr-dqn"],
)
def test_each_algorithm_makes_an_action_of_its_last_layer(tmp_path, content, weights, action):
    found = load_policy(written(tmp_path / "a.zip", content, saved(weights)))(X)
    np.testing.assert_allclose(found, action, rtol=1e-5)


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {MARK}",)


MARK = "executed"  # in the current folder
FIRST = "mlp_extractor.policy_net.0.weight"


@pytest.mark.parametrize(
    ("content", "policy", "says"),
    [
        (data(), pickle.dumps(Evil(), 2), "names posix.system"),
        (data(), saved(ACTOR, {FIRST: b"cos\nsystem\n(" + text(f"touch {MARK}") + b"tR"}), "names os.system"),
        (data(), saved(ACTOR, stored={"data.pkl": pickle.dumps(Evil())}), "the operation FRAME"),
        (
            data(),
            saved(ACTOR, stored={"data.pkl": cloudpickle.dumps(lambda: os.system("true"))}),
            "the operation FRAME",
        ),
        (data(), saved(ACTOR, {FIRST: b"c__builtin__\neval\n" + text("1") + b"\x85R"}), "names __builtin__.eval"),
        (data(), saved(ACTOR, {FIRST: tensor("../../data", (4, 3))}), r"the name '\.\./\.\./data'"),
        (data(), saved(ACTOR, {FIRST: tensor("0", (1 << 15, 1 << 15), stride=(0, 0), count=12)}), "not contiguous"),
        (data(), saved(ACTOR, {FIRST: tensor("0", (4, 3), count=11)}), "longer than its storage"),
        (data(), saved(ACTOR, {FIRST: tensor("0", (4, 3), count=12, offset=-1)}), "not whole numbers >= 0"),
        (data(), saved(ACTOR, {FIRST: tensor("0", (1 << 30, 3), count=-1)}), "a storage of an unknown kind"),
        (data(), saved(ACTOR, stored={"data/0": bytes(40)}), "has 40 bytes, not 12 float32"),
        (data(), saved(ACTOR, stored={"data/0": bytes(1 << 16)}), "has 65,536 bytes; the limit is 48"),
        (data(), saved(ACTOR | {FIRST: np.full((4, 3), np.nan)}), "not finite"),
        (data(), saved(ACTOR | {FIRST: np.zeros((4, 5))}), "do not lead from 3 observed values to 2 numbers"),
        (data(), saved(ACTOR | {FIRST: np.zeros(12)}), "has weights float32"),
        (data(), saved(ACTOR | {"lstm_actor.weight_ih_l0": np.zeros(2)}), "lstm_actor.weight_ih_l0 is not a layer"),
        (data(), saved(ACTOR | {"features_extractor.cnn.0.weight": np.zeros(2)}), "features_extractor.cnn.0.weight is"),
        (data(), saved({}), "it has no action_net"),
        (data(), saved(ACTOR, compression=zipfile.ZIP_DEFLATED), "is compressed by method 8"),
        (data(), b"", ""),
        (data(), bytes(MOST_BYTES + 1), "the limit is"),
        (data("sb3_contrib.common.recurrent.policies"), saved(ACTOR), "of sb3_contrib.common.recurrent.policies"),
        (data(activation_fn="<class 'torch.nn.modules.activation.ELU'>"), saved(ACTOR), "its activation is ELU"),
        (data(observes=BOX | {"_shape": [84, 84, 4]}), saved(ACTOR), r"observations are Box \[84, 84, 4\]"),
        (data(observes={":type:": "<class 'gymnasium.spaces.dict.Dict'>"}), saved(ACTOR), "observations are Dict"),
        (data(acts=BOUNDED | {"low": "[0. ... 0.]"}), saved(ACTOR), "'...'"),
        ("[" * 100_000, saved(ACTOR), ""),
        ("[]", saved(ACTOR), "not a JSON object"),
        (b"\xff", saved(ACTOR), ""),
    ],
)
def test_files_that_are_hostile_or_of_other_policies_are_refused(tmp_path, monkeypatch, content, policy, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DescriptionError, match=f"a.zip.: is not a policy of stable-baselines3 that can be read: .*{says}"
    ):
        load_policy(written("a.zip", content, policy))
    assert not (tmp_path / MARK).exists()


def test_what_is_serialized_beside_the_weights_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = data()
    for part in content.values():
        part[":serialized:"] = cloudpickle.dumps(Evil()).hex()
    assert load_policy(written("a.zip", content, saved(ACTOR)))(X).shape == (2,)
    assert not (tmp_path / MARK).exists()


def test_a_member_is_not_unpacked_beyond_the_size_that_it_declares(tmp_path):
    path = written(tmp_path / "a.zip", data(), bytes(1 << 22), zipfile.ZIP_DEFLATED)
    raw = bytearray(path.read_bytes())
    for at in (raw.find(b"policy.pth") - 30 + 22, raw.rfind(b"policy.pth") - 46 + 24):  # the sizes in both headers
        raw[at : at + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(DescriptionError, match=r"a\.zip"):
        load_policy(path)
    with pytest.raises(DescriptionError, match="data is compressed by method 14"):
        load_policy(written(path, data(), saved(ACTOR), zipfile.ZIP_LZMA))
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(DescriptionError, match="is a pipe or a device"):
        load_policy(tmp_path / "pipe.zip")


def test_a_policy_of_another_environment_is_refused(tmp_path):
    path = written(tmp_path / "a.zip", data(), saved(ACTOR))
    with pytest.raises(DescriptionError, match="trained for 3 observed values, the environment has 4"):
        teacher_of(str(path), gymnasium.make("CartPole-v1"))
    with pytest.raises(DescriptionError, match=r"its actions are 2 numbers, the environment takes Box \(1\)"):
        teacher_of(path, gymnasium.make("Pendulum-v1"))
    with pytest.raises(DescriptionError, match=r"--teacher = .*a\.zip': it was trained for 3 observed values"):
        teacher_of(load_policy(path), gymnasium.make("CartPole-v1"))
    path = written(path, data(observes=DISCRETE), saved(layers("action_net", sizes=(2, 2))))
    assert load_policy(path)(1).shape == (2,)
