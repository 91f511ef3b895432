"""Commands as actions of a space, and back."""

import numpy as np
import pytest
from gymnasium import spaces

from snn_control.gym_adapter.spaces import as_action, as_actions, as_command


@pytest.mark.parametrize(
    ("space", "command", "action"),
    [
        (spaces.Discrete(3), [2], 2),
        (spaces.Discrete(3, start=-7), [2], -5),
        (spaces.MultiDiscrete([3, 2]), [2, 0], [2, 0]),
        (spaces.MultiDiscrete([[3, 2], [2, 2]], start=[[5, -1], [0, 9]]), [2, 0, 1, 1], [[7, -1], [1, 10]]),
        (spaces.MultiBinary(2), [0, 1], [0, 1]),
        (spaces.Box(-2, 2, (1, 2)), [0.5, -1.5], [[0.5, -1.5]]),
        (spaces.Box(-2, 2, (), np.float64), [0.1], 0.1),
    ],
)
def test_a_command_is_an_action_of_the_space_and_back(space, command, action):
    (found,) = as_actions(np.array([command], np.float64), space)
    one = as_action(np.array(command, np.float64), space)
    assert type(one) is type(found)
    assert np.array_equal(one, found)
    assert space.contains(found)
    assert np.array_equal(found, action)
    assert as_command(found, space) == pytest.approx(command)
    assert as_command(found, space).shape == (len(command),)
