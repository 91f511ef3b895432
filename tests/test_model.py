"""Model, and the examples of the pages that show it."""

import re
from pathlib import Path

import numpy as np
import pytest

from snn_control import Controller, Model, nef
from snn_control.coding import ArgmaxDecoder, DirectEncoder, MembraneDecoder, PoolEncoder, SpikeDecoder
from snn_control.controller import build_program
from snn_control.errors import DescriptionError
from snn_control.network import IF, LI, LIF, Bernoulli

PAGES = {
    page.stem: page.read_text() for page in (Path(__file__).resolve().parents[1] / "docs/coming_from").glob("*.md")
}
PAGE = "".join(PAGES.values())


@pytest.mark.parametrize("name", ["brian2", "nengo", "ros2_control", "snntorch"])
def test_the_example_of_a_page_runs_and_its_network_fires(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it may write a file
    (code,) = re.findall(r"```python\n(.*?)```", PAGES[name], re.S)
    scope = {}
    exec(compile(code, name, "exec"), scope)
    assert all(count > 0 for count in scope["controller"].counters()["spikes"].values())


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
    m.output("squashed", b, [3.0, 4.0], limits=(-1, 1), squash=True)
    assert m.outputs[-1].squash
    assert isinstance(m.controller(), Controller)
    assert m.controller().program.digest == build_program(m.spec()).digest
    assert m.controller().program.facts.period == 2e-3


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
    with pytest.raises(DescriptionError, match=r"outputs.u = 'b': must be .*: there is none yet"):
        m.output("u", "b")
    m.input("x")
    m.population("a", 3, LIF())
    with pytest.raises(DescriptionError, match=r"outputs.u = 'b': must be a population or an input: x, a"):
        m.output("u", "b")


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (None, MembraneDecoder),
        (DirectEncoder(), MembraneDecoder),
        (DirectEncoder(neuron=LI()), MembraneDecoder),
        (DirectEncoder(gain=2.0, neuron=LIF()), SpikeDecoder),
    ],
)
def test_an_output_reads_an_input(encoder, decoder):
    m = Model(dt=1e-3)
    x = m.input("x", 2, encoder=encoder)
    (found,) = m.output("u", x, np.eye(2), size=2).decoder
    assert isinstance(found, decoder)
    controller = m.controller()
    for _ in range(100):
        command = controller.step({"x": [1.0, -1.0]})["u"]
    assert command[0] > 0 >= command[1]


def test_an_output_reads_the_spikes_of_a_camera():
    m = Model(dt=1e-3)
    m.events("camera", (4, 4), encoder=PoolEncoder((2, 2), neuron=LIF()))
    assert isinstance(m.output("u", "camera").decoder[0], SpikeDecoder)
    assert m.controller().step({})["u"].tolist() == [0.0]


def test_a_model_takes_in_a_network_of_ensembles():
    a = nef.Ensemble("a", 100, seed=1)
    m = Model(dt=1e-3)
    x = m.input("x")
    assert m.add(nef.network([nef.Connection("x", a)])).populations[0].name == "a"
    held = m.population("held", 1, LI())
    m.connect(x, held)
    m.output("u", a)
    m.output("rates", "a", 1 / 100, tau=0.01)
    controller = m.controller()
    commands = [controller.step({"x": 0.5}) for _ in range(400)]
    assert np.mean([c["u"] for c in commands[200:]]) == pytest.approx(0.5, abs=0.04)
    assert commands[-1]["rates"] > 10
    with pytest.raises(DescriptionError, match="network = 'list': must be a Network"):
        m.add([a])
    other = Model(dt=2e-3)
    other.add(nef.network([nef.Connection("x", a)]))
    with pytest.raises(DescriptionError, match=r"ensembles.a.dt = 0.001: must be the model's dt \(0.002 s\)"):
        other.output("u", a)


ROWS = dict(re.findall(r"^\| ([^|]*) \| `(LIF\([^`]*\))`", PAGE, re.M))
DELTA = [row for row in ROWS if "IF_curr_delta" in row or "v += w" in row]


@pytest.mark.parametrize("row", [*DELTA, "exact", "euler", "if"])
def test_a_spike_moves_the_membrane_as_the_page_says(row):
    dt, tau_mem, r, w = 1e-3, 0.02, 3.0, 0.25
    neuron, moved = {
        "exact": (LIF(tau_mem=tau_mem, r=r), r * (1 - np.exp(-dt / tau_mem)) * w),
        "euler": (LIF(tau_mem=tau_mem, r=r, integration="euler"), r * dt / tau_mem * w),
        "if": (IF(r=r), r * dt * w),
    }.get(row) or (eval(ROWS[row], {"dt": dt, "tau_mem": tau_mem, "np": np, "LIF": LIF}), w)
    m = Model(dt=dt)
    m.population("one", 1, IF(r=1.0), bias=1.0, v_init=1.0)
    m.population("post", 1, neuron)
    m.connect("one", "post", w)
    m.output("u", "post")
    controller = m.controller()
    controller.step({})
    assert controller.spikes("one").tolist() == [0]
    assert controller.values("post") == pytest.approx([moved], rel=1e-5)


@pytest.mark.parametrize("integration", ["exact", "euler"])
def test_a_spike_with_brian2s_delay_leaves_brian2s_membrane(integration):
    """v of Brian2 2.9 when it asks the threshold, after on_pre="v += 0.25" with tau = 20 ms; euler by 1 - dt / tau."""
    (row,) = (text for text in PAGE.splitlines() if "Brian2's v, exactly" in text)
    resistance = re.search(r"`r=(.*?)`" if integration == "euler" else r"r=(.*?)\)`", row)[1]
    r = eval(resistance, {"dt": 1e-3, "tau_mem": 0.02, "np": np})
    m = Model(dt=1e-3)
    m.population("one", 1, IF(refractory=1.0), v_init=1.0, bias=1.0)
    m.connect("one", m.population("post", 1, LIF(tau_mem=0.02, r=r, integration=integration)), 0.25, delay=1e-3)
    m.output("u", "post")
    controller, seen = m.controller(), []
    for _ in range(4):
        controller.step({})
        seen += controller.values("post").tolist()
    decay = 0.95 if integration == "euler" else 0.22620935 / 0.23780736
    assert seen == pytest.approx([0, 0.25 * decay, 0.25 * decay**2, 0.25 * decay**3], rel=1e-5)


def test_the_row_of_leaky_is_snntorchs_neuron():
    assert len(DELTA) >= 2
    (row,) = (text for name, text in ROWS.items() if "Leaky" in name)
    dt, beta, current = 1e-3, 0.9, 0.3
    m = Model(dt=dt)
    m.population("a", 1, eval(row, {"dt": dt, "beta": beta, "LIF": LIF}), bias=current)
    m.output("u", "a")
    controller, v, fired = m.controller(), 0.0, 0.0
    for _ in range(50):
        v = beta * v + current - fired  # reset_mechanism="subtract", as Leaky.forward has it
        fired = float(v > 1)
        controller.step({})
        assert controller.values("a") == pytest.approx([v], abs=1e-5)
        assert len(controller.spikes("a")) == fired
