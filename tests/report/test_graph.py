"""The picture of a controller as a graph."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from snn_control.controller import build_program
from snn_control.controller_file import parse_spec
from snn_control.report.curves import draw_events
from snn_control.report.diagram import BOX, Arrow, _places, _routes, boxes_and_arrows, draw_diagram, layers
from snn_control.report.kit import EVENT_OFF, EVENT_ON, INK, paint
from tests.report.pictured import ALL, arrows


def test_learning_is_marked_and_an_arrow_comes_from_what_teaches_it():
    values = yaml.safe_load(ALL)
    values["inputs"] |= {"wrong": {"kind": "value", "size": 12}, "one": {"kind": "value", "size": 1}}
    values["inputs"].pop("camera")
    network = values["network"]
    network["populations"].pop("picture")
    network["populations"]["b"]["neuron"].pop("v_threshold")
    network["projections"] = [
        {"pre": "a", "post": "g", "weights": 0.1, "learning": {"type": "pes", "error": "wrong"}},
        {"pre": "x", "post": "a", "weights": 0.1},
    ]
    spec = parse_spec(values)
    boxes, found = boxes_and_arrows(spec, build_program(spec))
    assert next(a for a in found if (a.start, a.end) == ("a", "g")).text == "360 syn.\nlearns: PES"
    assert [a for a in found if a.dashed] == [Arrow("wrong", "g", "error", dashed=True)]
    assert next(b for b in boxes if b.name == "one").lines[0] == "1 number"
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    caption, _ = draw_diagram(figure, spec, build_program(spec))
    assert "Dashed: the error or reward" in caption
    assert sum(patch.get_linestyle() not in ("solid", "-") for patch in figure.axes[0].patches) == 1


CAMERA = """
version: 1
period: 0.001
inputs:
  eye:
    {kind: events, size: [24, 18], capacity: 64, filters: FILTERS,
     encoder: {type: pool, grid: [4, 3], polarity: POLARITY}}
network:
  populations: {out: {size: 2, neuron: {type: li, tau_mem: 0.05}}}
  projections: [{pre: eye, post: out, connection: dense, weights: 0.1}]
outputs: {yaw: {size: 2, limits: [-1, 1], decoder: [{type: membrane, from: out, weights: 1.0}]}}
"""


def with_camera(filters="[]", polarity="split"):
    return parse_spec(yaml.safe_load(CAMERA.replace("FILTERS", filters).replace("POLARITY", polarity)))


def test_an_inputs_box_names_its_filters_in_their_order():
    spec = with_camera("[{type: hot_pixels, pixels: [[3, 4]]}, {type: refractory, period: 0.001}]")
    lines = boxes_and_arrows(spec, build_program(spec))[0][0].lines
    assert lines == ("24 × 18 px, pool", "filters: hot pixels, refractory", "24 graded")
    figure = Figure()
    FigureCanvasAgg(figure)
    assert "Filters of eye: hot pixels, refractory." in draw_diagram(figure, spec, build_program(spec))[0]
    plain = with_camera()
    assert boxes_and_arrows(plain, build_program(plain))[0][0].lines == ("24 × 18 px, pool", "24 graded")


def test_an_input_that_stops_the_commands_leads_to_them():
    values = yaml.safe_load(CAMERA.replace("FILTERS", "[]").replace("POLARITY", "merge"))
    values["inputs"]["estop"] = {"kind": "value", "size": 1, "stop_when": "nonzero", "stale": 0.5}
    spec = parse_spec(values)
    boxes, found = boxes_and_arrows(spec, build_program(spec))
    assert next(b for b in boxes if b.name == "estop").lines == ("1 number", "stops if not 0")
    assert [a for a in found if a.start == "estop"] == [Arrow("estop", "> yaw", "stops", dashed=True)]
    figure = Figure()
    FigureCanvasAgg(figure)
    assert "Dashed, to an output: an input that stops" in draw_diagram(figure, spec, build_program(spec))[0]


@pytest.mark.parametrize("polarity", ["split", "signed", "merge"])
def test_on_events_are_orange_and_off_events_blue(polarity):
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    draw_events(figure, with_camera(polarity=polarity).inputs[0], 1e-3)
    fields, *after = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert [(line.get_label(), line.get_color()) for line in fields.lines] == [("ON", EVENT_ON), ("OFF", EVENT_OFF)]
    maps = [axes.collections[0].get_cmap() for axes in after]
    ends = [[to_hex(m(0.0)), to_hex(m(1.0))] for m in maps]
    expected = {"split": [["#ffffff", EVENT_OFF], ["#ffffff", EVENT_ON]], "signed": [[EVENT_OFF, EVENT_ON]],
                "merge": [["#ffffff", INK]]}  # fmt: skip
    assert ends == expected[polarity]


def test_columns_follow_the_flow_and_outputs_stand_last():
    found = layers(
        ["in", "a", "b", "c", "> out"],
        arrows(("in", "a"), ("a", "b"), ("b", "a"), ("b", "b"), ("in", "c"), ("c", "a"), ("a", "> out")),
    )
    assert found == {"in": 0, "c": 1, "a": 2, "b": 3, "> out": 4}


def test_no_arrow_crosses_a_box():
    rng = np.random.default_rng(5)
    names = [f"n{k}" for k in range(12)]
    for _ in range(20):
        pairs = {tuple(names[i] for i in rng.integers(0, 12, 2)) for _ in range(25)}
        some = arrows(*sorted(pairs))
        columns, routes = _routes(names, some)
        place = _places(columns)
        where = layers(names, some)
        for arrow, route in zip(some, routes):
            if arrow.start == arrow.end:
                continue
            assert {route[0], route[-1]} == {arrow.start, arrow.end}
            assert len(route) == abs(where[arrow.start] - where[arrow.end]) + 1
            for lane in route[1:-1]:
                beside = [n for n in names if place[n][0] == place[lane][0]]
                assert all(abs(place[n][1] - place[lane][1]) > BOX[1] / 2 for n in beside)


def test_a_picture_is_painted_in_both_formats():
    def fill(figure):
        figure.subplots().plot([1, 2])
        return "caption", "alt"

    picture = paint("title", fill, "pdf")
    assert set(picture.files) == {"png", "pdf"}
    assert picture.png == paint("title", fill).png
