"""Policies of stable-baselines3 act as they did where they were trained, and nothing in a file is run."""

from __future__ import annotations

import dataclasses

import gymnasium
import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.training.teachers.teacher import teacher_of
from snn_control.training.teachers.trained_policy import load_policy
from tests.fixtures import fixture
from tests.training.policy_files import (
    ACTOR,
    BOUNDED,
    BOX,
    DISCRETE,
    FIRST,
    data,
    layers,
    legacy,
    saved,
    space,
    tensor,
    written,
)


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


X = np.float32([0.3, -0.2, 0.9])


def hand(weights, function):
    (w, b), (v, c) = zip(list(weights.values())[::2], list(weights.values())[1::2], strict=True)
    return v @ function(w @ X + b) + c


def elu(x):
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


def relu(x):
    return x.clip(0)


def squashed(x, bound=np.inf):
    """In the bounds of `BOUNDED`."""
    return np.float32([0.5, 0]) + np.float32([1.5, 4]) * np.tanh(x.clip(-bound, bound))


def clipped(x):
    return x.clip([-1, -4], [2, 4])


def module(name):
    return f"<class 'torch.nn.modules.activation.{name}'>"


TD3, TQC = layers("actor.mu.0", "actor.mu.2"), layers("actor.latent_pi.0", "actor.mu.0")
SAC = layers("actor.latent_pi.0", "actor.mu")
QR = layers("quantile_net.quantile_net.0", "quantile_net.quantile_net.2", sizes=(3, 4, 6))
DQN = layers("q_net.q_net.0", "q_net.q_net.2")
SHARED = layers("mlp_extractor.shared_net.0", "action_net")
UNUSED = {"log_std": np.zeros(2), "value_net.weight": np.zeros((1, 4)), "mlp_extractor.value_net.0.bias": np.zeros(4)}
SB3, CONTRIB = "stable_baselines3", "sb3_contrib"
CASES = {
    "ppo": (data(), ACTOR | UNUSED, clipped(hand(ACTOR, np.tanh))),
    "relu": (data(activation_fn=module("ReLU")), ACTOR, clipped(hand(ACTOR, relu))),
    "elu": (data(activation_fn=module("ELU")), ACTOR, clipped(hand(ACTOR, elu))),
    "shared layers": (data(), SHARED, clipped(hand(SHARED, np.tanh))),
    "squash_output": (data(squash_output=True), ACTOR, squashed(hand(ACTOR, np.tanh))),
    "choice": (data(acts=DISCRETE), ACTOR, hand(ACTOR, np.tanh).argmax()),
    "td3, ddpg": (
        data(f"{SB3}.td3.policies"),
        TD3 | {"actor_target.mu.0.weight": np.zeros(1)},
        squashed(hand(TD3, relu)),
    ),
    "sac": (data(f"{SB3}.sac.policies"), SAC | {"critic.qf0.0.bias": np.zeros(1)}, squashed(hand(SAC, relu))),
    "tqc": (data(f"{CONTRIB}.tqc.policies"), SAC, squashed(hand(SAC, relu))),
    "sac with gSDE": (data(f"{SB3}.sac.policies"), TQC, squashed(hand(TQC, relu), 2.0)),
    "tqc with gSDE": (data(f"{CONTRIB}.tqc.policies", clip_mean=0.5), TQC, squashed(hand(TQC, relu), 0.5)),
    "dqn": (data(f"{SB3}.dqn.policies", acts=DISCRETE), DQN, hand(DQN, relu).argmax()),
    "qr-dqn": (data(f"{CONTRIB}.qrdqn.policies", acts=DISCRETE), QR, hand(QR, relu).reshape(3, 2).mean(0).argmax()),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("save", [saved, legacy])
def test_each_algorithm_makes_an_action_of_its_last_layer(tmp_path, case, save):
    content, weights, action = CASES[case]
    found = load_policy(written(tmp_path / "a.zip", content, save(weights)))(X)
    np.testing.assert_allclose(found, action, rtol=1e-5)


def test_the_values_of_the_last_layer_for_many_observations(tmp_path):
    policy = load_policy(written(tmp_path / "a.zip", data(), saved(ACTOR)))
    many = np.stack([X, 0 * X, -X])
    assert policy.raw(many).shape == (3, 2)
    assert policy.raw(many).dtype == np.float32
    np.testing.assert_allclose(policy.raw(many)[0], hand(ACTOR, np.tanh), rtol=1e-5)
    weights = layers("q_net.q_net.0", "q_net.q_net.2", sizes=(5, 4, 2))
    content = data(f"{SB3}.dqn.policies", DISCRETE | {"n": "5"}, DISCRETE)
    whole = load_policy(written(tmp_path / "b.zip", content, saved(weights)))
    (w, b), (v, c) = [(weights[f"q_net.q_net.{k}.weight"], weights[f"q_net.q_net.{k}.bias"]) for k in (0, 2)]
    wanted = relu(w[:, [3, 0]].T + b) @ v.T + c
    np.testing.assert_allclose(whole.raw([3, 0]), wanted, rtol=1e-5)
    assert whole(np.int64(3)) == wanted[0].argmax()


@pytest.mark.parametrize(
    ("content", "weights", "says"),
    [
        (
            data("sb3_contrib.common.recurrent.policies"),
            ACTOR,
            r"it is recurrent \(LSTM\).*; train an MlpPolicy of PPO",
        ),
        (data("sb3_contrib.common.maskable.policies"), ACTOR, "it needs a mask"),
        (data("somewhere.else"), ACTOR, "of somewhere.else: it is of another kind"),
        (data(), ACTOR | {"lstm_actor.weight_ih_l0": np.zeros(2)}, "lstm_actor.weight_ih_l0 is not a layer"),
        (data(), ACTOR | {"features_extractor.cnn.0.weight": np.zeros(2)}, "features_extractor.cnn.0.weight is"),
        (data(features_extractor_class="<class 'a.Own'>"), ACTOR, "extracts features with <class 'a.Own'>"),
        (data(activation_fn=module("SiLU")), ACTOR, "its activation is SiLU; known are ReLU, Tanh and ELU"),
        (
            data(observes=BOX | {"_shape": [84, 84, 4]}),
            ACTOR,
            r"Box \[84, 84, 4\] \(CnnPolicy\): must be .*; train with",
        ),
        (data(observes=space("dict.Dict")), ACTOR, r"Dict \[\] \(MultiInputPolicy\): .*FlattenObservation"),
        (data(observes=space("tuple.Tuple")), ACTOR, "observations are Tuple .*FlattenObservation"),
        (data(observes=BOX | {"_shape": [9] * 9}), ACTOR, "it has a space of shape"),
        (data(acts=space("multi_discrete.MultiDiscrete")), ACTOR, "are MultiDiscrete, .*; train with Box or Discrete"),
        (data(acts=space("multi_binary.MultiBinary")), ACTOR, "are MultiBinary, .*; train with Box or Discrete"),
        (data(f"{SB3}.sac.policies", acts=DISCRETE), SAC, "are Discrete, but actor.mu gives numbers"),
        (data(f"{SB3}.dqn.policies"), DQN, "are Box, but q_net.q_net gives one of several choices"),
        (data(f"{SB3}.sac.policies", acts=BOUNDED | {"high": "[2. inf]"}), SAC, "its actions have no bounds"),
        (data(f"{SB3}.sac.policies", clip_mean=-1), TQC, "its clip_mean is -1.0: must be > 0"),
        (data(acts=DISCRETE | {"start": "1"}), ACTOR, "2 whole numbers from 1"),
        (data(acts=BOUNDED | {"low": "[0. ... 0.]"}), ACTOR, "'...'"),
        (data(acts=BOUNDED | {"low": "[0. nan]"}), ACTOR, "its actions have bounds of"),
        (data(), ACTOR | {FIRST: np.full((4, 3), np.nan)}, "not finite"),
        (data(), ACTOR | {FIRST: np.zeros((4, 5))}, "do not lead from 3 observed values to 2 numbers"),
        (data(), ACTOR | {FIRST: np.zeros(12)}, "has weights float32"),
        (data(), {}, "it has no action_net"),
    ],
)
def test_policies_of_other_kinds_are_refused_by_name(tmp_path, content, weights, says):
    path = written(tmp_path / "a.zip", content, saved(weights))
    with pytest.raises(DescriptionError, match=f"POLICY = .*a.zip': is not a policy of stable-baselines3 .*: .*{says}"):
        load_policy(path, what="POLICY")


def test_weights_of_half_precision_and_shared_storages_are_read(tmp_path):
    halves = {FIRST: tensor("0", (4, 3), kind="torch\nHalfStorage")}
    raw = saved(ACTOR, halves, {"data/0": ACTOR[FIRST].astype("<f2").tobytes()})
    found = load_policy(written(tmp_path / "a.zip", data(), raw))
    np.testing.assert_allclose(found.layers[0][0], ACTOR[FIRST], rtol=1e-3)
    bias = {"action_net.bias": tensor("0", (2,), count=12, offset=4)}
    found = load_policy(written(tmp_path / "a.zip", data(), saved(ACTOR, bias)))
    np.testing.assert_array_equal(found.layers[1][1], ACTOR[FIRST].ravel()[4:6])


def test_a_policy_of_another_environment_is_refused(tmp_path):
    path = written(tmp_path / "a.zip", data(), saved(ACTOR))
    with pytest.raises(DescriptionError, match=r"trained for 3 observed values, the environment has 4; .*frame stack"):
        teacher_of(str(path), gymnasium.make("CartPole-v1"))
    with pytest.raises(DescriptionError, match=r"its actions are 2 numbers, the environment takes Box \(1\)"):
        teacher_of(path, gymnasium.make("Pendulum-v1"))
    with pytest.raises(DescriptionError, match=r"--teacher = .*a\.zip': it was trained for 3 observed values"):
        teacher_of(load_policy(path), gymnasium.make("CartPole-v1"))
    path = written(path, data(observes=DISCRETE), saved(layers("action_net", sizes=(2, 2))))
    assert load_policy(path)(1).shape == (2,)


def test_a_head_follows_from_the_space_of_the_actions(tmp_path):
    policy = load_policy(written(tmp_path / "a.zip", data(), saved(ACTOR)))
    box, bounds = gymnasium.spaces.Box(-2, 3, (2, 1)), np.float32([[-2, -2], [3, 3]])
    choice, observed = gymnasium.spaces.Discrete(2), gymnasium.spaces.Box(-1, 1, (3,))
    linear = dataclasses.replace(policy, head="linear", low=None, high=None)
    np.testing.assert_allclose(linear(X), hand(ACTOR, np.tanh), rtol=1e-5)
    ready = linear.for_space(box)
    assert (ready.head, ready.shape) == ("clip", (2, 1))
    np.testing.assert_array_equal([ready.low, ready.high], bounds)
    assert linear.for_space(choice).head == "argmax"
    assert policy.for_space(box).low is policy.low
    squashing = dataclasses.replace(linear, head="tanh")
    np.testing.assert_array_equal([squashing.for_space(box).low, squashing.for_space(box).high], bounds)
    with pytest.raises(ValueError, match="the environment's actions have none"):
        squashing.for_space(gymnasium.spaces.Box(-np.inf, np.inf, (2,)))
    for other in (gymnasium.spaces.MultiDiscrete([3, 3]), gymnasium.spaces.MultiBinary(2)):
        with pytest.raises(ValueError, match=f"the environment takes {type(other).__name__}"):
            linear.for_space(other).check(observed, other)
    with pytest.raises(ValueError, match="3 observed values, the environment has Dict"):
        policy.check(gymnasium.spaces.Dict(), box)
    with pytest.raises(ValueError, match=r"are 2 choices, the environment takes Box \(2\)"):
        linear.for_space(choice).check(observed, box)
