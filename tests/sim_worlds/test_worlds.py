"""What holds for every world that ships."""

from __future__ import annotations

import inspect
import math
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sim_worlds import WORLDS
from snn_control.cli.common import check_fit
from snn_control.cli.worlds import world_class
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.errors import InputError
from snn_control.resources import shipped

SIMULATED = [name for name in WORLDS if name != "EventReplay-v0"]
STEPS = 40


def make(name, **arguments):
    """A world with short episodes, where their length can be chosen: much is drawn for the whole episode."""
    if "duration" in inspect.signature(world_class(name)).parameters:
        arguments = {"duration": 3.0} | arguments
    return gymnasium.make(f"sim_worlds:{name}", disable_env_checker=True, **arguments).unwrapped


def bits(value):
    """Every bit of an observation, reward or info, but what is not a number."""
    if isinstance(value, dict):
        return {key: bits(one) for key, one in value.items()}
    return np.asarray(value).tobytes()


def played(world, seed, between=lambda: None):
    """Every bit that a world gives to actions that the seed draws; ``between`` is called before each step."""
    world.action_space.seed(seed)
    found = [tuple(map(bits, world.reset(seed=seed)))]
    for _ in range(STEPS):
        between()
        *outcome, over, truncated, info = world.step(world.action_space.sample())
        found.append((*map(bits, outcome), over, truncated, bits(info)))
        if over or truncated:
            break
    return found


@pytest.mark.parametrize("name", SIMULATED)
def test_gymnasium_has_nothing_to_say(name):
    metadata = world_class(name).metadata
    for mode in (None, *metadata["render_modes"][:1]):
        world = make(name, render_mode=mode)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for usual in (".*symmetric and normalized space.*", ".*(minimum|maximum) value is -?infinity.*"):
                warnings.filterwarnings("ignore", message=usual)  # commands in SI units; ranges of a scan
            check_env(world, skip_render_check=mode is None)
        if mode:
            world.reset(seed=1)
            picture = world.render()
            assert picture.dtype == np.uint8
            assert picture.std() > 5  # it shows something
        world.close()


@pytest.mark.parametrize("name", SIMULATED)
def test_a_seed_gives_the_same_bits_after_other_episodes_and_beside_another_world(name):
    alone, beside, other = make(name), make(name), make(name)
    first = played(alone, 7)
    played(beside, 8)
    other.reset(seed=1)
    again = played(beside, 7, between=lambda: other.step(other.action_space.sample()))
    assert again == first == played(alone, 7)
    assert played(alone, 8) != first


@pytest.mark.parametrize("name", [name for name in SIMULATED if getattr(world_class(name), "RANDOMIZED", None)])
def test_randomised_episodes_differ_and_are_repeated_by_their_seed(name):
    world, plain = make(name, randomize=1), make(name)
    first = played(world, 3)
    assert played(world, 3) == first != played(plain, 3)
    names = set(world.reset(seed=4)[1]["randomized"])
    assert names >= set(world.RANDOMIZED)
    before = played(plain, 5)
    world.reset(seed=6)
    assert played(plain, 5) == before


def observed(world, steps, disturb=lambda: None, at=5, still=False):
    """Every bit of the observations of an episode with seed 7, which ``disturb`` disturbs after ``at`` steps."""
    world.action_space.seed(7)
    seen = [world.reset(seed=7)[0]]
    for k in range(steps):
        if k == at:
            disturb()
        action = world.action_space.sample()
        observation, reward, over, _, _ = world.step(np.zeros_like(action) if still else action)
        assert math.isfinite(reward)
        assert world.observation_space.contains(observation)
        assert not any(np.isnan(value).any() for value in observation.values())
        seen.append(observation)
        if over:  # random actions overturn the quadruped later
            assert k > at + 10
            break
    return [bits(one) for one in seen]


@pytest.mark.parametrize("name", SIMULATED)
def test_a_disturbance_changes_what_follows_until_the_next_reset(name):
    world, calm = make(name), observed(make(name), STEPS)
    assert world.disturbances
    for disturb in world.disturbances.values():
        disturb()  # no episode has begun
        first = observed(world, STEPS, disturb)
        assert first[:6] == calm[:6]
        assert first[6:] != calm[6:]
        assert observed(world, STEPS, disturb) == first
        assert observed(world, STEPS) == calm
        disturb()
        assert observed(world, STEPS) == calm
    observed(world, STEPS, lambda: [disturb() for disturb in 5 * list(world.disturbances.values())])
    assert observed(world, STEPS) == calm


@pytest.mark.parametrize("name", [name for name in SIMULATED if "noise" in make(name).disturbances])
def test_noise_lasts_for_one_second_and_leaves_no_trace(name):
    world = make(name)
    second = round(1.0 / world.dt)
    calm = observed(world, second + 10, still=True)
    noisy = observed(world, second + 10, world.disturbances["noise"], still=True)
    assert all(one != other for one, other in zip(calm[6 : 6 + second], noisy[6 : 6 + second]))
    assert calm[7 + second :] == noisy[7 + second :]


@pytest.mark.parametrize("name", SIMULATED)
def test_what_a_world_says_of_itself_holds(name):
    metadata = world_class(name).metadata
    assert metadata["title"]
    assert metadata.get("tracking") or metadata.get("goal")
    rows = metadata.get("rows", {})
    for arguments in [{}, *rows.values()]:
        world = make(name, **arguments)
        assert world.max_episode_steps > 1
        there = world.baselines()
        world.close()
    assert set(metadata["compared_with"]) <= set(make(name).baselines())
    assert all(one.label for one in there.values())
    if controller := metadata.get("controller"):
        spec = load_spec(shipped(controller))
        check_fit(Controller.from_spec(spec), make(name), controller)
        assert spec.period == pytest.approx(1.0 / metadata["render_fps"])
        assert set(spec.ros_inputs) == {one.name for one in spec.inputs}
        assert set(spec.ros_outputs) == {one.name for one in spec.outputs}


@pytest.mark.parametrize("name", SIMULATED)
def test_worlds_in_a_vector_are_the_worlds(name):
    vector = gymnasium.make_vec(f"sim_worlds:{name}", 2, vectorization_mode="sync")
    seen, _ = vector.reset(seed=[11, 12])
    for k, seed in enumerate((11, 12)):
        alone = gymnasium.make(f"sim_worlds:{name}").reset(seed=seed)[0]
        for key, value in alone.items():
            np.testing.assert_array_equal(seen[key][k], value)
    vector.close()


@pytest.mark.parametrize("name", SIMULATED)
def test_an_action_must_fit_its_space_and_a_copy_is_a_new_world(name):
    world = pickle.loads(pickle.dumps(make(name)))
    before = bits(world.reset(seed=1)[0])
    zero = np.zeros(world.action_space.shape)
    infinite = zero.copy()
    infinite[-1] = np.inf
    for action, says in (
        (np.append(zero, 0.0), rf"action of shape \({zero.size + 1},\): must have the shape \({zero.size},\)"),
        (infinite, rf"action\[{zero.size - 1}\] = inf: must be finite"),
        (np.where(infinite, np.nan, 0.0), rf"action\[{zero.size - 1}\] = nan: must be finite"),
    ):
        with pytest.raises(InputError, match=says):
            world.step(action)
    assert bits(world.reset(seed=1)[0]) == before == bits(make(name).reset(seed=1)[0])


@pytest.mark.parametrize("name", [name for name in SIMULATED if world_class(name).PERTURBED])
def test_physics_can_be_perturbed_and_restored(name):
    world, episodes = make(name), {}
    world.perturb({})
    plain = observed(world, STEPS)
    for quantity in world.PERTURBED:
        world.perturb({quantity: 1.0})
        assert observed(world, STEPS) == plain
        world.perturb({quantity: 0.5})
        episodes[quantity] = observed(world, STEPS)
        assert episodes[quantity] != plain
        assert observed(world, STEPS) == episodes[quantity]
    world.perturb({})
    assert observed(world, STEPS) == plain
