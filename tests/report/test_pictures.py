"""Rules for every picture of a controller: nothing empty, nothing cut off, one colour per population, red for plus."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from snn_control import Model
from snn_control.controller import Controller, build_program
from snn_control.controller_file import parse_spec
from snn_control.controller_file.names import number_names, output_names
from snn_control.network import LIF, Projection, Uniform
from snn_control.report.connections import draw_weights, synapses_of
from snn_control.report.controller_page import few_synapses, views
from snn_control.report.decoders import draw_decoders
from snn_control.report.kit import EXCITES, INHIBITS, STYLE, pointer_values
from snn_control.watch.colours import PALETTE, colours_of
from snn_control.watch.scene import scene_of

#: three ranges in one input, a scan most of whose beams drive nothing, few numbers of which some drive nothing
ROBOT = """
version: 1
period: 0.01
inputs:
  scan: {kind: value, size: 20, range: [0, 10], unit: m, encoder: {type: linear, weights: robot.npz#scan}}
  joints: {kind: value, size: 3, range: [[-1, -50, -0.01], [1, 50, 0.01]], unit: rad,
           encoder: {type: population, neurons: 4, neuron: {type: lif, tau_mem: 0.02}}}
  few: {kind: value, size: 4, range: [-1, 1], encoder: {type: linear, weights: [[1.0], [0.0], [0.0], [2.0]]}}
network:
  populations:
    seen: {size: 5, neuron: {type: lif, tau_mem: 0.03}, bias: 1.5}
    turn: {size: 6, neuron: {type: li, tau_mem: 0.05}}
  projections:
  - {pre: scan, post: seen, connection: one_to_one, weights: 0.3}
  - {pre: joints, post: seen, weights: robot.npz#joints}
  - {pre: seen, post: turn, weights: -0.5, delay: 0.01}
  - {pre: few, post: turn, weights: 0.5}
outputs:
  arm: {size: 2, unit: rad/s, limits: [-1, 1], decoder: [{type: membrane, from: turn, weights: 1.0}]}
  grip: {unit: N, limits: [-9, 9], decoder: [{type: linear, from: joints, tau: 0.05, weights: 0.1}]}
ros:
  inputs: {joints: {topic: a, type: sensor_msgs/msg/JointState, field: "position[name=pan, tilt, roll]"}}
  outputs:
    arm: {topic: b, type: sensor_msgs/msg/JointState, field: "velocity[:]", values: {name: [pan, tilt]}}
"""


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    folder, scan = tmp_path_factory.mktemp("robot"), np.zeros((20, 5))
    scan[8:13] = np.eye(5)
    np.savez(folder / "robot.npz", scan=scan, joints=np.random.default_rng(0).normal(size=(12, 5)))
    return parse_spec(yaml.safe_load(ROBOT), folder)


@pytest.fixture(scope="module")
def figures(robot):
    """Every picture of it, drawn."""
    program, drawn = build_program(robot), {}
    for view in views(robot, program, few_synapses(robot, program)):
        with matplotlib.rc_context(STYLE):
            figure = Figure(layout="constrained")
            FigureCanvasAgg(figure)
            view.fill(figure)
            figure.draw_without_rendering()
        drawn[view.name] = figure
    return drawn


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def test_no_axes_are_empty(figures):
    for name, figure in figures.items():
        for axes in figure.axes:
            filled = axes.has_data() or axes.texts or axes.get_legend() or axes.patches or axes.child_axes
            assert filled, (name, axes.get_title(loc="left"))
    assert titles(figures["tuning-few"]) == ["few[0]: 1 neuron\nall others at 0", "few[3]: 1 neuron\nall others at 0"]
    assert titles(figures["tuning-scan"]) == ["20 numbers drive 5 neurons"]


def test_nothing_is_cut(figures):
    for name, figure in figures.items():
        for axes in figure.axes:
            with matplotlib.rc_context(STYLE):
                box = axes.get_tightbbox(figure.canvas.get_renderer())
            inside = box.x0 > -2 and box.y0 > -2 and box.x1 < figure.bbox.x1 + 2 and box.y1 < figure.bbox.y1 + 2
            assert inside, (name, axes.get_title(loc="left"), box)


def test_numbers_have_the_names_that_the_file_gives(robot, figures):
    _, joints, few = robot.inputs
    assert number_names(robot, joints) == ["pan", "tilt", "roll"]
    assert number_names(robot, few)[1] == "few[1]"
    assert output_names(robot, units=True) == ["pan [rad/s]", "tilt [rad/s]", "grip [N]"]
    assert [axes.get_xlabel() for axes in figures["tuning-joints"].axes[:3]] == [
        "pan [rad]",
        "tilt [rad]",
        "roll [rad]",
    ]
    assert "pan" in [label.get_text() for axes in figures["decoders"].axes for label in axes.get_xticklabels()]


def test_a_population_has_one_colour_in_every_picture(robot, figures):
    colours = colours_of(robot)
    assert list(colours) == ["scan", "joints", "few", "seen", "turn"]
    assert list(colours.values()) == PALETTE[:5]
    scene = scene_of(Controller.from_spec(robot), robot, "")
    assert {one["name"]: one["colour"] for one in scene["inputs"] + scene["populations"]} == colours
    for name in ("joints", "seen"):
        curve = next(a for a in figures["f_i"].axes if name in a.get_title(loc="left"))
        assert colours[name] in [line.get_color() for line in curve.lines]


def test_red_excites_and_blue_inhibits(figures):
    def is_red(colour):
        red, _, blue = to_rgb(colour)
        return red > blue

    assert is_red(EXCITES)
    assert not is_red(INHIBITS)
    images = [m for name in ("decoders", "tuning-scan") for a in figures[name].axes
              for m in (*a.images, *a.collections) if m.get_array() is not None and m.get_clim()[0] < 0]  # fmt: skip
    assert len(images) >= 2
    for image in images:
        low, high = image.get_clim()
        assert low == -high
        assert is_red(image.get_cmap()(1.0)[:3])
        assert not is_red(image.get_cmap()(0.0)[:3])


def test_the_page_knows_where_the_numbers_of_a_picture_are(figures):
    """From a position in the picture to the numbers of its axes, as the script of the page converts it."""
    figure = figures["decoders"]
    axes = next(a for a in figure.axes if a.get_title(loc="left") == "seen → turn" or a.images)
    one = next(p for p in pointer_values(figure) if "cells" in p)
    left, top, right, _ = one["box"]
    width, height = figure.bbox.width, figure.bbox.height
    x, y = axes.transData.inverted().transform(((left + 0.25 * (right - left)) * width, (1 - top) * height))
    assert x == pytest.approx(one["x"][1] + 0.25 * (one["x"][2] - one["x"][1]), abs=1e-3)
    assert y == pytest.approx(one["y"][2], abs=1e-3)  # the last of an axis is its top
    assert one["cells"] == np.asarray(axes.images[0].get_array()).tolist()
    assert one["label"].startswith("weight [")


def test_a_histogram_of_weights_has_both_colours():
    figure = Figure(layout="constrained")
    draw_weights(figure, [synapses_of(Projection("p", "q", np.array([[-2.0, 1.0, 3.0]])), {"p": 1, "q": 3}, 0.001)])
    stairs = next(a for a in figure.axes if a.get_title().startswith("weights")).patches
    seen = {to_hex(s.get_facecolor()): s.get_data().edges[np.flatnonzero(s.get_data().values)] for s in stairs}
    assert (seen[EXCITES] > 0).all()
    assert (seen[INHIBITS] < 0).all()


def test_weights_of_a_decoder_that_are_drawn_are_those_of_the_engine():
    m = Model(dt=0.001, period=0.004)
    x, h = m.input("x", 1, range=(-1, 1)), m.population("h", 6, LIF(tau_mem=0.01))
    m.connect(x, h, 1.0)
    m.output("u", h, Uniform(-1, 1, seed=1), size=2, limits=(-1, 1), tau=0.01)
    figure = Figure(layout="constrained")
    draw_decoders(figure, m.spec(), {"h": 6})
    assert np.array_equal(figure.axes[0].images[0].get_array(), Uniform(-1, 1, seed=1).sample((6, 2)).T)
