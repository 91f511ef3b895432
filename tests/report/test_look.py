"""The pictures of a controller: complete, with units, on one page."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from snn_control.analysis.bounds import driven
from snn_control.analysis.stimulus import default_stimulus
from snn_control.analysis.synapses import sizes_of
from snn_control.coding import MembraneDecoder, Output, SignedEncoder, ValueInput
from snn_control.controller import build_program
from snn_control.controller_file import load_spec, parse_spec
from snn_control.engine.bound import Bound
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import LI, LIF, FixedProbability, Network, Population, Projection, Uniform
from snn_control.network.convolution import Convolution
from snn_control.report import kit
from snn_control.report.connections import synapses_of, vary
from snn_control.report.controller_page import few_synapses, views, write_controller_page
from snn_control.report.curves import draw_tuning, f_i_curves, same_models
from snn_control.report.kit import STYLE, pointer_values
from snn_control.resources import shipped
from tests.report.pictured import ALL

KERNELS = np.random.default_rng(3).normal(size=(2, 2, 2, 4))  # gives 2 x 4 x 2 neurons


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all")
    np.savez(folder / "all.npz", thresholds=np.linspace(0.5, 2.0, 30), kernels=KERNELS)
    return parse_spec(yaml.safe_load(ALL), folder)


@pytest.fixture(scope="module", params=["cartpole", "pan_tilt"])
def shown(request):
    spec = load_spec(shipped(request.param))
    program = build_program(spec)
    return spec, views(spec, program, synapses(spec))


def without_unit_or_room(figure):
    """Axes with ticks but without a label that ends in a unit, and labels beyond the figure, of one that was drawn."""
    found = []
    for axes in figure.axes:
        if not axes.axison:
            continue
        colourbar = axes.get_label() == "<colorbar>"
        for axis in (axes.yaxis,) if colourbar else (axes.xaxis, axes.yaxis):
            text = axis.get_label_text()
            shared = not any(label.get_visible() and label.get_text() for label in axis.get_ticklabels())
            named = isinstance(axis.get_major_locator(), FixedLocator)  # ticks that say what they are
            if not ((shared or named) and text == "") and not re.search(r"\[.+\]$", text):
                found.append(("without unit", axes.get_title(loc="left"), text))
            if text:
                box = axis.label.get_window_extent()
                if box.x0 < -1 or box.x1 > figure.bbox.x1 + 1:
                    found.append(("beyond the figure", text))
    return found


def test_every_picture_has_units_and_words(shown):
    _, found = shown
    for view in found:
        with matplotlib.rc_context(STYLE):
            figure = Figure(layout="constrained")
            FigureCanvasAgg(figure)
            caption, alt = view.fill(figure)
            figure.draw_without_rendering()
            assert without_unit_or_room(figure) == [], view.name
        assert len(caption) > 40
        assert len(alt) > 20


def is_of_everything(spec, found, *more):
    names = [v.name for v in found]
    assert len(set(names)) == len(names)
    encoded = [i.name for i in spec.inputs if i.name != "plain"]
    assert names == ["f_i", *(f"tuning-{n}" for n in encoded), *more]


def synapses(spec):
    return few_synapses(spec, build_program(spec))


def test_there_is_a_picture_of_everything(shown):
    is_of_everything(*shown, *["weights"] * any(map(vary, synapses(shown[0]))), "decoders")


class Images(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append(dict(attrs))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, everything):
    """The controller, the folder, the page, and of each picture what was found wrong when it had been drawn."""
    folder, spec, wrong = tmp_path_factory.mktemp("plot") / "deep" / "er", everything, []

    def look(figure):  # before it is cleared
        figure.draw_without_rendering()  # as PNG: places of labels are those of the last format, SVG
        wrong.append(without_unit_or_room(figure))
        return pointer_values(figure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kit, "pointer_values", look)
        done = write_controller_page(spec, default_stimulus(spec, 0.1), folder, suffix="svg", title="<all>")
    return spec, folder, done, wrong


def test_of_a_controller_with_everything_every_picture_has_units_and_words(drawn):
    spec, _, done, wrong = drawn
    is_of_everything(spec, [view for view, _ in done.files], "weights", "decoders", "raster")
    assert wrong == [[] for _ in done.files]
    captions = re.findall(r"<figcaption>([^<]{20,})</figcaption>", done.page.read_text(encoding="utf-8"))
    assert len(captions) == len(done.files)
    assert min(map(len, captions)) > 40


def test_all_files_appear_and_the_page_holds_all_pictures(drawn):
    _, folder, done, _ = drawn
    files = {path.name for path in folder.iterdir()}
    assert files == {"index.html", *(f"{view.name}.svg" for view, _ in done.files)}
    assert all(path.read_bytes().startswith(b"<?xml") for _, path in done.files)
    text = done.page.read_text(encoding="utf-8")
    for cell in ("30 × 21 px", "2 to 6", "-1 to 2"):  # an input, delays and weights
        assert f"<td>{cell}</td>" in text
    images = Images(text).found
    assert len(images) == len(done.files) == 7
    for image in images:
        data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert data.startswith(b"\x89PNG")
        assert len(image["alt"]) > 20
    assert "&lt;all&gt;" in text
    assert "<all>" not in text
    for warning in done.health.warnings():
        assert warning.path in text
    assert done.health.warnings()


def test_the_same_controller_gives_the_same_bytes(drawn, tmp_path):
    spec, folder, *_ = drawn
    again = write_controller_page(spec, default_stimulus(spec, 0.1), tmp_path, suffix="svg", only=["f_i", "tuning-x"])
    assert [view.name for view, _ in again.files] == ["f_i", "tuning-x"]
    assert {p.name for p in tmp_path.iterdir()} == {"f_i.svg", "tuning-x.svg", "index.html"}
    for _, path in again.files:
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_pictures_of_an_earlier_call_go_and_nothing_else(everything, tmp_path):
    spec = everything
    stimulus = default_stimulus(spec, 0.02)
    write_controller_page(spec, stimulus, tmp_path, only=["tuning-x", "tuning-l", "f_i"])
    (tmp_path / "f_i.png").write_bytes(b"mine now")
    (tmp_path / "weights.png").write_bytes(b"always mine")
    write_controller_page(spec, stimulus, tmp_path, only=["tuning-l"])
    assert {p.name for p in tmp_path.iterdir()} == {"tuning-l.png", "f_i.png", "weights.png", "index.html"}
    assert (tmp_path / "f_i.png").read_bytes() == b"mine now"
    write_controller_page(spec, stimulus, tmp_path, suffix="svg", only=["tuning-l"])
    assert {p.name for p in tmp_path.iterdir()} == {"tuning-l.svg", "f_i.png", "weights.png", "index.html"}


def test_only_some_by_kind(everything, tmp_path):
    spec = everything
    done = write_controller_page(spec, default_stimulus(spec, 0.02), tmp_path, suffix="pdf", only=["tuning"])
    assert [view.name for view, _ in done.files] == ["tuning-camera", "tuning-x", "tuning-l"]
    assert all(path.read_bytes().startswith(b"%PDF") for _, path in done.files)


def test_nothing_is_written_where_something_is_wrong(everything, tmp_path):
    spec = everything
    stimulus = default_stimulus(spec, 0.02)
    with pytest.raises(DescriptionError, match="--only = 'weight': is not a picture of this controller; did you mean"):
        write_controller_page(spec, stimulus, tmp_path / "out", only=["weight"])
    assert not (tmp_path / "out").exists()
    (tmp_path / "f_i.png").mkdir()  # where a file should go
    with pytest.raises(DescriptionError, match="cannot be written"):
        write_controller_page(spec, stimulus, tmp_path, only=["f_i"])
    assert [p.name for p in tmp_path.iterdir()] == ["f_i.png"]  # no page, no part of a file


def test_models_that_are_alike_are_drawn_once():
    some = {"a": LIF(), "b": LIF(tau_mem=0.01), "c": LIF(), "d": LIF(v_threshold=[1.0, 2.0])}
    assert [names for names, _ in same_models(some)] == [["a", "c"], ["b"], ["d"]]


def test_of_neurons_that_differ_some_are_drawn():
    curves = f_i_curves(LIF(v_threshold=np.linspace(1, 3, 9)), 0.001)
    assert [label for label, _, _ in curves] == [f"neuron {k}" for k in (0, 2, 4, 6, 8)]
    assert [curve.rheobase for _, _, curve in curves] == pytest.approx([1, 1.5, 2, 2.5, 3], rel=1e-3)


# --- connections ----------------------------------------------------------------------------------


def test_synapses_are_those_of_the_description(everything):
    sizes = sizes_of(build_program(everything))
    assert sizes == {"camera": 30, "x": 10, "l": 2, "plain": 12, "a": 30, "b": 30, "picture": 16, "g": 12}
    one, dense, sparse, back, none, *_ = (synapses_of(p, sizes, 0.002) for p in everything.network.projections)
    assert one.into.tolist() == one.out.tolist() == [1] * 30
    assert len(dense.weights) == 300
    assert dense.into.tolist() == [10] * 30
    assert dense.out.tolist() == [30] * 10
    assert sparse.weights.tolist() == [1.0, 2.0, -1.0, 0.5]
    assert sparse.delays.tolist() == [0.002, 0.004, 0.004, 0.006]
    assert sparse.into[[1, 2, 29]].tolist() == [2, 1, 1]
    assert sparse.out.sum() == 4
    assert back.weights.min() == back.weights.max() == -0.05
    assert len(none.weights) == 0  # weights of 0 are no synapses


def test_int8_weights_are_shown_as_they_are_rounded():
    p = Projection("p", "q", np.array([[1.0, 0.101], [-0.3, 0.0]]), precision="int8", scale=0.1)
    assert synapses_of(p, {"p": 2, "q": 2}, 0.001).weights == pytest.approx([1.0, 0.1, -0.3])


def test_drawn_synapses_are_those_of_the_program():
    p = Projection("p", "q", Uniform(0.5, 1.5, seed=4), FixedProbability(0.3, seed=2))
    s = synapses_of(p, {"p": 12, "q": 9}, 0.001)
    network = Network((Population("p", 12, LIF()), Population("q", 9, LI())), (p,))
    bound = Bound(build(network, (), (Output("y", (MembraneDecoder("q", 0.0),)),), dt=0.001, period=0.001))
    pairs = bound.array("p->q.weights")
    assert np.array_equal(np.bincount(pairs[:, 0], minlength=9), s.into)
    assert pairs[:, 1].copy().view(np.float32) == pytest.approx(s.weights)
    assert s.out.sum() == s.into.sum() == len(s.weights) > 20


@pytest.mark.parametrize(
    "more", [{}, {"stride": 2, "padding": (1, 2)}, {"dilation": (2, 1), "groups": 2, "padding": "same"}]
)
def test_degrees_of_a_convolution(more):
    """Against a loop over all places of all kernels."""
    c = Convolution((2, 7, 9), **more)
    weights = np.ones((4, 2 // c.groups, 3, 2))
    channels, height, width = c.output_shape(weights.shape)
    into, out = np.zeros((channels, height, width), int), np.zeros(c.shape, int)
    for o, k, i, y, x in np.ndindex(channels, height, width, 3, 2):
        row, column = (
            k * c.stride[0] - c.pads(0, 3)[0] + y * c.dilation[0],
            i * c.stride[1] - c.pads(1, 2)[0] + x * c.dilation[1],
        )
        if 0 <= row < 7 and 0 <= column < 9:
            group = range(2) if c.groups == 1 else [o // 2]
            into[o, k, i] += len(group)
            out[group, row, column] += 1
    p = Projection("p", "q", weights, c)
    s = synapses_of(p, {"p": out.size, "q": into.size}, 0.001)
    assert np.array_equal(s.into, into.reshape(-1))
    assert np.array_equal(s.out, out.reshape(-1))


def test_tuning_curves_say_where_the_other_dimensions_are(everything):
    x = next(i for i in everything.inputs if i.name == "x")
    figure = Figure(layout="constrained")
    draw_tuning(figure, replace(x, range=([-1, 0], [1, 8])), 0.002, ["x[0]", "x[1]"])
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes[:2]]
    assert [title.splitlines()[1] for title in titles] == ["at x[1] = 4", "at x[0] = 0"]


def test_tuning_curves_that_are_alike_are_drawn_once():
    x = ValueInput("x", size=8, range=(-1.0, 1.0), encoder=SignedEncoder(3.0, neuron=LIF(tau_mem=0.02)))
    figure, names = Figure(layout="constrained"), [f"x[{k}]" for k in range(8)]
    draw_tuning(figure, x, 0.002, names)
    title, bar = figure.axes
    assert bar.get_label() == "<colorbar>"
    assert title.get_title().splitlines()[-1] == "the same, of neurons of its own: x[1], … x[7]"
    uneven = replace(x, range=(-1.0, [1.0] * 7 + [2.0]))
    figure = Figure(layout="constrained")
    draw_tuning(figure, uneven, 0.002, names)
    assert len(figure.axes) == 4


def test_the_axis_of_a_rate_reaches_what_the_encoder_drives(everything):
    (label, _, curve), *_ = f_i_curves(LIF(), 0.001, 50.0)
    assert (label, curve.current[0], curve.current[-1]) == ("", 0.0, 50.0)
    sizes = sizes_of(build_program(everything))
    assert driven(everything, sizes).keys() == {"x"}  # of the others ranges say nothing
