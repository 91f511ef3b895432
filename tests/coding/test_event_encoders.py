"""Encoders of events, and how descriptions of filters and encoders are checked."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.coding import (
    BackgroundActivity,
    Encoder,
    EventFilter,
    EventsInput,
    HotPixels,
    MembraneDecoder,
    Output,
    Polarity,
    PoolEncoder,
    RateLimit,
    Refractory,
    Region,
    SurfaceEncoder,
)
from snn_control.controller import Controller, build_program
from snn_control.controller_file import ControllerSpec, load_spec, parse_spec
from snn_control.engine import registry
from snn_control.engine.build import build
from snn_control.engine.build.encoders import _cells
from snn_control.engine.kernels.encoders import cell_along
from snn_control.engine.lowering import EncoderLowering, FilterLowering, Plugin
from snn_control.engine.program import PRE
from snn_control.errors import BuildError, DescriptionError
from snn_control.network import LI, LIF, Network, Population, Projection
from snn_control.network.convolution import Convolution
from tests.coding.test_filters import SIZE, camera, filtered, left
from tests.reference.filters import cell_along as exact_cell_along


def events_of(*cells):
    x, y, p = np.array(cells).T
    return np.zeros(len(x), np.int64), x, y, p


@pytest.mark.parametrize("filters", [(), (Region(0, 0, 4, 2),)])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"polarity": "merge"}, [3, 0, 0, 2]),
        ({"polarity": "merge", "response": "binary"}, [1, 0, 0, 1]),
        ({"polarity": "merge", "response": "saturate", "ceiling": 2.5}, [2.5, 0, 0, 2]),
        ({"polarity": "split", "response": "binary"}, [1, 0, 0, 1, 1, 0, 0, 0]),
        ({"on_weight": 0.5, "response": "saturate", "ceiling": 1.5}, [0, 0, 0, -1.5]),
        ({"response": "binary"}, [1, 0, 0, -1]),
    ],
)
def test_responses_of_a_pool(filters, values, expected):
    one = camera(filters, PoolEncoder((2, 2), **values), (4, 2))
    one.step({"camera": events_of((0, 0, 1), (1, 0, 1), (0, 0, 0), (3, 1, 0), (2, 1, 0))})
    assert one.bound.array("camera.pooled").tolist() == expected


def cell_of(pixel: np.ndarray, pixels: int, size: int, cells: int) -> np.ndarray:
    """The cell of each of ``pixels``, which lie in the middle of ``size``, from its distance to the middle."""
    away = (2 * pixel + 1 - pixels) * cells / (2 * size)
    return cells // 2 + np.where(away < 0, -1 - np.floor(-away), np.floor(away)).astype(int)


@pytest.mark.parametrize("size", [(24, 18), (24, 24), (8, 5), (13, 3), (30, 21), (10, 4)])
@pytest.mark.parametrize("polarity", ["signed", "merge", "split"])
def test_another_camera_is_seen_through_the_cells_of_the_one_that_they_were_made_for(size, polarity):
    """Its pixels lie in the middle of a picture of the same angle, and as much is summed from more or fewer of them."""
    rng, (width, height) = np.random.default_rng(3), size
    one = camera((), PoolEncoder((4, 4), polarity, made_for=(16, 16)), size)
    x, y, p = rng.integers(0, width, 200), rng.integers(0, height, 200), rng.integers(0, 2, 200)
    one.step({"camera": (np.zeros(200), x, y, p)})
    expected = np.zeros((2, 4, 4))
    np.add.at(expected, (p, cell_of(y, height, width, 4), cell_of(x, width, width, 4)), (16 / width) ** 2)
    expected = {"signed": expected[1] - expected[0], "merge": expected.sum(0), "split": expected}[polarity]
    np.testing.assert_allclose(one.bound.array("camera.pooled"), expected.reshape(-1), atol=1e-4)


@settings(max_examples=500)
@given(size=st.integers(1, 65536), data=st.data())
def test_a_cell_along_a_camera_is_exact(size, data):
    cells, pixel = data.draw(st.integers(1, size)), data.draw(st.integers(0, size - 1))
    scale = 1 << 39
    words = (2 * pixel + 1, size, -(-scale * cells // size), scale // size)
    assert cell_along(*np.array(words, np.uint64)[:, None]) == exact_cell_along(2 * pixel + 1, size, cells)


@settings(max_examples=100)
@given(width=st.integers(2, 700), height=st.integers(2, 700), data=st.data())
def test_a_mirrored_picture_has_mirrored_cells(width, height, data):
    """Grids of even numbers of cells, over cameras that they do not divide: 7 and 8 columns in turn, say."""
    columns, rows = (2 * data.draw(st.integers(1, min(size // 2, 40))) for size in (width, height))
    one = camera((), PoolEncoder((columns, rows), "merge"), (width, height))
    x, y = np.arange(0, width, 1 + width // 60), np.arange(0, height, 1 + height // 60)
    x, y = (a.reshape(-1)[:4000] for a in np.meshgrid(x, y))
    pictures = []
    for there in ((x, y), (width - 1 - x, height - 1 - y)):
        keep = (2 * x + 1 != width) & (2 * y + 1 != height)  # not a line through the middle
        one.step({"camera": (np.zeros(keep.sum()), *(a[keep] for a in there), np.ones(keep.sum()))})
        pictures.append(one.bound.array("camera.pooled").reshape(rows, columns).copy())
    np.testing.assert_array_equal(pictures[1], pictures[0][::-1, ::-1])


def test_a_surface_of_another_camera():
    one = camera((), SurfaceEncoder((4, 4), 0.1, made_for=(16, 16)), (24, 18))
    one.step({"camera": events_of((0, 0, 1), (23, 17, 0))})
    assert np.flatnonzero(one.bound.array("camera.pooled")).tolist() == [0, 15]
    one = camera((), SurfaceEncoder((4, 4), 0.1, made_for=(16, 16)), (24, 10))
    one.step({"camera": events_of((0, 0, 1), (23, 9, 0))})
    assert np.flatnonzero(one.bound.array("camera.pooled")).tolist() == [4, 11]


def test_a_leaky_count_decays_once_a_tick_and_lasts_a_tick():
    one = camera((), PoolEncoder((1, 1), "merge", tau=5e-3), (4, 4))
    decay, y = np.float32(math.exp(-1e-3 / 5e-3)), np.float32(0)
    for n in (3, 0, 0, 2, 1):
        one.step({"camera": events_of(*[(1, 1, 1)] * n) if n else np.zeros((0, 4))})
        y = y * decay + np.float32(n)
        assert one.bound.array("camera.pooled")[0] == y


@pytest.mark.parametrize(("tau", "steps"), [(None, 1), (5e-3, 3)])
def test_a_pulse_acts_once_a_level_in_every_step(tau, steps):
    spec = EventsInput("camera", size=(4, 4), encoder=PoolEncoder((1, 1), "merge", tau=tau))
    network = Network((Population("out", 1, LI(tau_mem=1e3)),), (Projection("camera", "out", 1.0),))
    output = Output("u", (MembraneDecoder("out", 1e6),))
    one = Controller(build(network, [spec], [output], dt=1e-3, period=3e-3))
    one.step({"camera": events_of((1, 1, 1))})
    assert one.values("out")[0] == pytest.approx(steps * 1e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("polarity", "start"), [("merge", [1, 0, 1]), ("signed", [1, 0, -1]), ("split", [1, 0, 1, 1, 0, 0])]
)
def test_a_surface_is_one_at_an_event_and_decays(polarity, start):
    one = camera((), SurfaceEncoder((3, 1), 4e-3, polarity), (3, 1))
    one.step({"camera": events_of((2, 0, 0), (0, 0, 0), (0, 0, 1))})
    assert one.bound.array("camera.pooled").tolist() == start
    for _ in range(8):
        one.step({"camera": np.zeros((0, 4))})
    np.testing.assert_allclose(one.bound.array("camera.pooled"), np.array(start) * math.exp(-2), rtol=1e-5)


@pytest.mark.parametrize("neuron", [None, LIF(tau_mem=1e-6, v_threshold=0.5)])
def test_a_convolution_sees_off_then_on_row_by_row(neuron):
    """Each output cell of a strided 2-channel convolution, by hand from the picture of the events."""
    rng, side = np.random.default_rng(5), 32
    kernels, front = rng.normal(size=(3, 2, 5, 3)), Convolution((2, side, side), stride=2, padding=(2, 1))
    encoder = PoolEncoder((side, side), "split", response="binary", neuron=neuron)
    spec = EventsInput("camera", size=(2 * side, 3 * side), encoder=encoder, filters=(Region(0, 0, 64, 96),))
    shape = front.output_shape(kernels.shape)
    network = Network(
        (Population("edges", math.prod(shape), LI(tau_mem=1e-6)),), (Projection("camera", "edges", kernels, front),)
    )
    out = Output("u", (MembraneDecoder("edges", 1.0),))
    one = Controller(build(network, [spec], [out], dt=1e-3, period=1e-3))
    n = 300
    x, y, p = rng.integers(0, 64, n), rng.integers(0, 96, n), rng.integers(0, 2, n)
    one.step({"camera": (np.zeros(n, np.int64), x, y, p)})
    picture = np.zeros((2, side + 4, side + 2))
    picture[p, y // 3 + 2, x // 2 + 1] = 1  # channel 0 is OFF
    expected = [
        np.sum(picture[:, 2 * i : 2 * i + 5, 2 * j : 2 * j + 3] * kernel)
        for kernel in kernels
        for i in range(shape[1])
        for j in range(shape[2])
    ]
    np.testing.assert_allclose(one.values("edges"), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Region(-1, 0, 2, 2), "x = -1: must be a whole number >= 0"),
        (lambda: Region(0, 0, 0, 2), "width = 0: must be a whole number >= 1"),
        (lambda: HotPixels(), "mask = None: give a mask or pixels"),
        (lambda: HotPixels(np.zeros(3, bool)), "mask = 'shape (3,), dtype bool': must be (height, width) bool"),
        (lambda: HotPixels(pixels=[1, 2]), "pixels = [1, 2]: must be a list of [column, row]"),
        (lambda: Refractory(0), "period = 0: must be >= 1e-06 s and at most 1000 s"),
        (lambda: BackgroundActivity(math.inf), "window = inf: must be finite"),
        (lambda: BackgroundActivity(0.1, 9), "support = 9: must be a whole number >= 1, at most 8"),
        (lambda: Polarity("ON"), "keep = 'ON': must be 'on' or 'off'"),
        (lambda: RateLimit(0), "rate = 0: must be > 0"),
        (lambda: RateLimit(1e3, 0.5), "burst = 0.5: must be >= 1 and at most 1e+12"),
        (lambda: PoolEncoder((1, 1), response="max"), "response = 'max': must be 'sum', 'binary' or 'saturate'"),
        (lambda: PoolEncoder((1, 1), response="saturate"), "ceiling = None: is required with response 'saturate'"),
        (lambda: PoolEncoder((1, 1), ceiling=2), "ceiling = 2: requires response 'saturate'"),
        (lambda: PoolEncoder((1, 1), tau=0), "tau = 0: must be > 0"),
        (lambda: SurfaceEncoder((1, 1), -1), "tau = -1: must be > 0"),
        (lambda: PoolEncoder((1, 1), made_for=(0, 4)), "made_for[0] = 0: must be a whole number >= 1"),
        (
            lambda: camera((), PoolEncoder((4, 4), made_for=(32, 16))),
            "inputs.camera.encoder.made_for = [32, 16]: must not have a wider aspect ratio than the camera (16 x 12)",
        ),
        (
            lambda: camera((), PoolEncoder((4, 4), made_for=(4, 16385))),
            "made_for = [4, 16385]: must be lower: the grid would cover more than 65536 rows of the camera",
        ),
        (lambda: camera([Region(10, 0, 7, 1)]), "filters[0].width = 7: must end within the sensor (16 x 12)"),
        (lambda: camera([HotPixels(np.zeros((16, 12), bool))]), "mask = 'shape (16, 12)': must be (height, width) of"),
        (lambda: camera([Polarity("on"), HotPixels(pixels=[[0, 12]])]), "filters[1].pixels[0] = [0, 12]: must lie on"),
        (lambda: camera(["region"]), "inputs.camera.filters[0] = 'str': must be a filter"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_told_what_and_how(make, expected):
    with pytest.raises(DescriptionError) as caught:
        make()
    assert expected in str(caught.value)


def test_a_chain_is_written_and_read_back_with_its_mask(tmp_path):
    mask = np.random.default_rng(0).random((12, 16)) < 0.1
    filters = (
        Region(1, 2, 8, 9), HotPixels(mask), HotPixels(pixels=[[1, 2]]), Refractory(1e-3, True),
        BackgroundActivity(0.01, 2), Polarity("off"), RateLimit(1e5, 50),
    )  # fmt: skip
    encoder = PoolEncoder((4, 4), "split", response="saturate", ceiling=3, tau=0.1)
    inputs = (
        EventsInput("camera", size=SIZE, encoder=encoder, filters=filters),
        EventsInput("other", size=SIZE, encoder=SurfaceEncoder((4, 4), 0.1)),
    )
    spec = ControllerSpec(
        1e-3, 1e-3, inputs, Network((Population("out", 1, LI()),), ()), (Output("u", (MembraneDecoder("out", 1.0),)),)
    )
    read = load_spec(spec.save(tmp_path / "c.yaml"))
    assert build_program(read).digest == build_program(spec).digest
    assert "c.npz#camera_filters_1_mask" in (tmp_path / "c.yaml").read_text()


def test_a_filter_of_your_own(monkeypatch):
    @dataclass(frozen=True)
    class Brighter(EventFilter):
        also: float = 0.0

    form = FilterLowering("one_polarity", lambda b, spec, one, columns: {"p": columns.p, "keep": 1})
    monkeypatch.setattr(registry, "_added", registry._Table())
    with pytest.raises(BuildError, match="'Brighter': is not a filter of events"):
        camera([Brighter()])
    registry.add(Plugin(filters={"brighter": (Brighter, form)}))
    document = {
        "version": 1, "period": 1e-3,
        "inputs": {"camera": {"kind": "events", "size": [16, 12], "filters": [{"type": "brighter", "also": 2}],
                              "encoder": {"type": "pool", "grid": [4, 4]}}},
        "outputs": {"u": {"decoder": {"type": "membrane", "from": "camera", "weights": 1}}},
    }  # fmt: skip
    one = Controller.from_spec(parse_spec(document))
    assert left(one, [0] * 3, [1] * 3, [1] * 3, [0, 1, 0]) == [1]
    assert filtered(one) == {"brighter": 2}


@dataclass(frozen=True)
class Sides(Encoder):
    """Events of the left half of a sensor, and of the right; the encoder itself declares what it needs of an input."""

    neuron: object = None

    def check(self, path, size):
        if size[0] % 2:
            raise DescriptionError(path, size[0], "needs an even width")


def sides_form(b, spec, slot):
    grid = _cells(b, replace(spec, encoder=PoolEncoder((2, 1), "merge")), 1.0, 1.0)
    out = b.layout.state(f"{spec.name}.pooled", "float32", 2)
    b.emit(PRE, "pool", **grid, out=out, label=spec.name)
    return out


def test_an_encoder_of_events_of_your_own_needs_no_grid(monkeypatch):
    monkeypatch.setattr(registry, "_added", registry._Table())
    registry.add(Plugin(encoders={"sides": (Sides, EncoderLowering(sides_form, pulse=True, events=True))}))
    document = {
        "version": 1, "period": 1e-3,
        "inputs": {"camera": {"kind": "events", "size": [16, 12], "encoder": {"type": "sides"}}},
        "outputs": {"u": {"size": 2, "decoder": {"type": "membrane", "from": "camera", "weights": [[1, 0], [0, 1]]}}},
    }  # fmt: skip
    spec = parse_spec(document)
    one = Controller.from_spec(spec)
    assert one.step({"camera": np.array([[0, 3, 1, 1], [0, 9, 2, 0], [0, 15, 2, 1]])})["u"].tolist() == [1, 2]
    with pytest.raises(DescriptionError, match=r"inputs.camera.encoder = 15: needs an even width"):
        EventsInput("camera", size=(15, 12), encoder=Sides())
    with pytest.raises(DescriptionError, match="must be an encoder of events"):
        EventsInput("camera", encoder=3)
