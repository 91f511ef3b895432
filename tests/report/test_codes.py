"""Pictures of stochastic and temporal neurons, of pulses, and of all decoders."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure

from snn_control.analysis.synapses import sizes_of
from snn_control.coding import DeltaEncoder
from snn_control.controller import build_program
from snn_control.controller_file import parse_spec
from snn_control.engine import registry
from snn_control.engine.lowering import Plugin
from snn_control.report.controller_page import views
from snn_control.report.decoders import _panels

CODES = """
version: 1
period: 0.004
dt: 0.001
inputs:
  pose: {kind: value, size: 2, range: [-1, 1], encoder: {type: fields, grid: [4, 3], neuron: {type: bernoulli}}}
  moves: {kind: value, range: [-1, 1], encoder: {type: delta}}
  both: {kind: value, range: [-1, 1], encoder: {type: signed, neuron: {type: poisson, rate: 300}}}
outputs:
  way: {size: 2, unit: m/s, limits: [-9, 9], decoder: {type: population_vector, from: pose, directions: 1.5, tau: 0.01}}
  count: {unit: N, limits: [-9, 9], decoder: {type: spike_count, from: moves, window: 0.03, weights: 0.5}}
  choice:
    decoder:
      type: argmax
      actions: 2
      terms: [{type: first_spike, from: both, window: 0.01}, {type: linear, from: both, tau: 0.02, weights: 0.1}]
"""


@pytest.fixture(scope="module")
def spec():
    return parse_spec(yaml.safe_load(CODES))


def test_all_pictures_can_be_drawn(spec):
    found = views(spec, build_program(spec), [])
    names = [view.name for view in found]
    assert names == ["f_i", "tuning-pose", "tuning-both", "decoders"]  # pulses have no curve
    for view in found:
        caption, alt = view.fill(Figure(layout="constrained"))
        assert len(caption) > 40, view.name
        assert len(alt) > 20, view.name


def test_the_panels_show_what_each_neuron_stands_for(spec):
    way, count, choice = _panels(spec, sizes_of(build_program(spec)))
    assert (way.unit, way.labels) == ("m/s", ["way[0], τ = 10 ms", "way[1], τ = 10 ms"])
    assert (count.unit, count.labels) == ("N per spike", ["window = 30 ms"])
    assert count.weights.tolist() == [[0.5], [0.5]]
    assert (choice.weights == np.hstack([np.eye(2), np.full((2, 2), 0.1)])).all()
    assert choice.labels[0] == "action 0, window = 10 ms"


@dataclass(frozen=True, eq=False)
class Moves(DeltaEncoder):
    """A pulse where a number moves, with a picture of its own."""


class Finer(Moves):
    """Derived from a class with its own picture."""


def draw_moves(figure, one, dt, names):
    figure.subplots().set_title(f"{one.name} at {dt:g} s")
    return f"What moves of {', '.join(names)}.", "A title."


@pytest.mark.parametrize("encoder", [Moves(), Finer()])
def test_an_encoder_of_a_plug_in_brings_its_picture(spec, monkeypatch, encoder):
    monkeypatch.setattr(registry, "_added", registry._Table())
    built_as = registry.lowering("encoders", DeltaEncoder)
    drawn = replace(built_as, drawing=f"{__name__}:draw_moves")
    registry.add(Plugin(encoders={"moves": (Moves, drawn)}))
    inputs = tuple(replace(one, encoder=encoder) if one.name == "moves" else one for one in spec.inputs)
    with_moves = replace(spec, inputs=inputs)
    found = views(with_moves, build_program(with_moves), [])
    view = next(view for view in found if view.name == "tuning-moves")
    figure = Figure()
    assert view.fill(figure) == ("What moves of moves.", "A title.")
    assert figure.axes[0].get_title() == "moves at 0.001 s"
