"""The duration of a step, as environments state it."""

import gymnasium
import pytest

from snn_control.gym_adapter.period import stated_period


class Stated(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, metadata, **told):
        self.metadata = metadata
        vars(self).update(told)


@pytest.mark.parametrize(
    ("metadata", "told", "period", "says"),
    [
        ({"render_fps": 30}, {"dt": 0.05}, 0.05, "its `dt`"),
        ({"render_fps": 50}, {"tau": 0.02}, 0.02, "its `tau`"),
        ({"render_fps": 40}, {}, 0.025, "1 / its `render_fps`"),
        ({"render_fps": 40}, {"dt": -1.0, "tau": True}, 0.025, "1 / its `render_fps`"),
        ({}, {}, 0.02, "it does not state this time; all times are relative to this number"),
        (None, {}, 0.02, "it does not state this time; all times are relative to this number"),
    ],
)
def test_dt_and_tau_take_precedence_over_the_rate_of_pictures(metadata, told, period, says):
    assert stated_period(Stated(metadata, **told)) == (period, says)


def test_a_property_that_raises_states_nothing():
    class Early(Stated):
        @property
        def dt(self):
            raise RuntimeError("reset it first")

    assert stated_period(Early({"render_fps": 40})) == (0.025, "1 / its `render_fps`")


def test_the_world_node_and_new_agree_on_pendulum():
    assert stated_period(gymnasium.make("Pendulum-v1")) == (0.05, "its `dt`")
