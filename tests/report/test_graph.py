"""Colours of events in a picture, and its formats."""

from __future__ import annotations

import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from snn_control.controller_file import parse_spec
from snn_control.report.curves import draw_events
from snn_control.report.kit import EVENT_OFF, EVENT_ON, INK, paint

CAMERA = """
version: 1
period: 0.001
inputs:
  eye:
    {kind: events, size: [24, 18], capacity: 64,
     encoder: {type: pool, grid: [4, 3], polarity: POLARITY}}
network:
  populations: {out: {size: 2, neuron: {type: li, tau_mem: 0.05}}}
  projections: [{pre: eye, post: out, connection: dense, weights: 0.1}]
outputs: {yaw: {size: 2, limits: [-1, 1], decoder: [{type: membrane, from: out, weights: 1.0}]}}
"""


@pytest.mark.parametrize("polarity", ["split", "signed", "merge"])
def test_on_events_are_orange_and_off_events_blue(polarity):
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    draw_events(figure, parse_spec(yaml.safe_load(CAMERA.replace("POLARITY", polarity))).inputs[0], 1e-3)
    fields, *after = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert [(line.get_label(), line.get_color()) for line in fields.lines] == [("ON", EVENT_ON), ("OFF", EVENT_OFF)]
    maps = [axes.collections[0].get_cmap() for axes in after]
    ends = [[to_hex(m(0.0)), to_hex(m(1.0))] for m in maps]
    expected = {"split": [["#ffffff", EVENT_OFF], ["#ffffff", EVENT_ON]], "signed": [[EVENT_OFF, EVENT_ON]],
                "merge": [["#ffffff", INK]]}  # fmt: skip
    assert ends == expected[polarity]


def test_a_picture_is_painted_in_both_formats():
    def fill(figure):
        figure.subplots().plot([1, 2])
        return "caption", "alt"

    picture = paint("title", fill, "pdf")
    assert set(picture.files) == {"png", "pdf"}
    assert picture.png == paint("title", fill).png
