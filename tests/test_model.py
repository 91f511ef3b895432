"""Model, and the examples of the page that shows it."""

import re
from pathlib import Path

import numpy as np
import pytest

from snn_control import Controller, Model
from snn_control.coding import ArgmaxDecoder, PoolEncoder, SpikeDecoder
from snn_control.errors import DescriptionError
from snn_control.network import LI, LIF, Bernoulli

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "coming_from.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)


@pytest.mark.parametrize("code", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_runs_and_its_network_fires(code):
    scope = {}
    exec(compile(code, "docs/coming_from.md", "exec"), scope)
    controller = scope["controller"]
    for _ in range(300):
        controller.step({"x": [1.0, -1.0, 0.5]} if controller.inputs else {})
    assert all(count > 0 for count in controller.counters()["spikes"].values())


def test_a_model_is_the_controller_that_its_descriptions_are():
    m = Model(dt=1e-3, period=2e-3)
    x = m.input("x", 2, range=(-1, 1))
    camera = m.events("camera", (8, 8), encoder=PoolEncoder((2, 2)))
    a, b = m.population("a", 3, LIF(), bias=0.1), m.population("b", 2, LI())
    m.connect(x, a, np.ones((2, 3)))
    m.connect(camera, a)
    m.connect("a", "b", 0.5, delay=1e-3)
    m.output("u", b, np.eye(2), size=2)
    m.output("choice", decoder=ArgmaxDecoder(2, (SpikeDecoder("a", np.ones((3, 2)), 0.02),)))
    assert isinstance(m.controller(), Controller)
    assert m.controller().program.digest == m.spec().build().digest
    assert m.controller().program.facts["period"] == 2e-3


def test_a_model_has_a_seed():
    def spikes(seed):
        m = Model(dt=1e-3, seed=seed)
        m.output("u", m.population("a", 50, Bernoulli(500.0), bias=1.0))
        controller = m.controller()
        controller.step({})
        return controller.spikes("a").tolist()

    assert spikes(1) == spikes(1) != spikes(2)


def test_an_output_of_what_is_not_there_is_refused():
    m = Model(dt=1e-3)
    m.population("a", 3, LIF())
    with pytest.raises(DescriptionError, match=r"outputs.u = 'b': must be a population: a"):
        m.output("u", "b")
