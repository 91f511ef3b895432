"""Events that pass the filters, what the event encoders compute from them, and the input of a convolution."""

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
from tests.reference.filters import cell_along as exact_cell_along

SIZE = (16, 12)
MS = 1_000_000  # ns


def camera(filters=(), encoder=None, size=SIZE, **values):
    encoder = PoolEncoder(size, "merge") if encoder is None else encoder
    spec = EventsInput("camera", size=size, encoder=encoder, filters=tuple(filters), **values)
    network = Network((Population("out", 1, LI()),), (Projection("camera", "out", 0.1),))
    output = Output("u", (MembraneDecoder("out", 1.0),))
    return Controller(build(network, [spec], [output], dt=1e-3, period=1e-3))


def left(one, t, x, y, p=None):
    """Feed events (t in ns); returns those that the encoder saw."""
    t, x, y = (np.asarray(column, np.int64) for column in (t, x, y))
    one.step({"camera": (t, x, y, np.ones(len(t), int) if p is None else np.asarray(p))})
    kept = one.bound.array("camera.kept")
    return kept[1 : 1 + kept[0]].tolist()


def filtered(one):
    return one.counters()["inputs"]["camera"]["filtered"]


def test_a_region_keeps_its_rectangle_and_tells_the_frame_apart():
    one = camera([Region(2, 3, 4, 2)])
    x, y = np.meshgrid(np.arange(18), np.arange(13))
    kept = left(one, np.zeros(x.size), x.ravel(), y.ravel())
    inside = (x.ravel() >= 2) & (x.ravel() < 6) & (y.ravel() >= 3) & (y.ravel() < 5)
    assert kept == np.flatnonzero(inside).tolist()
    counters = one.counters()["inputs"]["camera"]
    assert (counters["events"], counters["out_of_frame"]) == (16 * 12, 18 * 13 - 16 * 12)
    assert counters["filtered"] == {"region": 16 * 12 - 8}
    assert one.bound.array("camera.pooled").sum() == 8


def test_what_is_out_of_the_frame_is_out_without_a_region_too():
    one = camera([Refractory(1e-3)])
    assert left(one, [0, 0, 0], [15, 16, 3], [11, 0, 12]) == [0]
    counters = one.counters()["inputs"]["camera"]
    assert (counters["events"], counters["out_of_frame"], counters["filtered"]) == (1, 2, {"refractory": 0})


@pytest.mark.parametrize("as_mask", [True, False])
def test_hot_pixels_are_silent(as_mask):
    mask = np.zeros((12, 16), bool)
    mask[2, 5] = mask[11, 15] = True
    one = camera([HotPixels(mask) if as_mask else HotPixels(pixels=[[5, 2], [15, 11]])])
    assert left(one, [0] * 4, [5, 2, 15, 15], [2, 5, 11, 10]) == [1, 3]
    assert filtered(one) == {"hot_pixels": 2}


def test_a_refractory_period_ends_to_the_microsecond_and_counts_from_what_was_kept():
    one = camera([Refractory(1e-3)])
    t = np.array([0, 999, 1000, 1500, 1999, 2000]) * 1000 + 5 * MS
    assert left(one, t, [3] * 6, [4] * 6) == [0, 2, 5]
    assert left(one, [7 * MS + 999_000, 8 * MS], [3, 3], [4, 4]) == [1]
    assert left(one, [8 * MS, 8 * MS], [3, 4], [5, 4]) == [0, 1]  # other pixels


@pytest.mark.parametrize(("each", "kept"), [(False, [0]), (True, [0, 1])])
def test_polarities_wait_together_or_apart(each, kept):
    one = camera([Refractory(1e-3, each)])
    assert left(one, [0, 10, 20, 30], [1] * 4, [1] * 4, [1, 0, 1, 0]) == kept


@pytest.mark.parametrize("start", [0, 1700 * 1_000_000 * MS, (1 << 32) * 1000 - 500_000])
def test_a_clock_may_start_anywhere_jump_back_and_wrap(start):
    one = camera([Refractory(1e-3)])
    assert left(one, [start, start + 900_000, start + 1_100_000], [2] * 3, [2] * 3) == [0, 2]
    assert left(one, [start + 1_100_000 - 400_000], [2], [2]) == []  # a little late: near the last
    assert left(one, [start, start + 500_000], [2, 2], [2, 2]) == [0]  # the recording begins again
    assert left(one, [start + 10**16], [2], [2]) == [0]


def test_background_activity_needs_neighbours_in_time():
    one = camera([BackgroundActivity(5e-3)])
    assert left(one, [0], [4], [4]) == []
    assert left(one, [1 * MS, 6 * MS], [5, 4], [5, 4]) == [0, 1]
    assert left(one, [11 * MS, 12 * MS], [3, 6], [3, 6]) == [0]  # at the window's end, and out of it
    corners = camera([BackgroundActivity(5e-3)])
    assert left(corners, [0, 1, 2, 3], [0, 1, 15, 14], [0, 1, 11, 10]) == [1, 3]
    assert left(corners, [20 * MS, 20 * MS], [15, 0], [3, 4]) == []  # the other end of a row is no neighbour


def test_background_activity_with_more_support():
    one = camera([BackgroundActivity(5e-3, support=2)])
    assert left(one, [0, 1, 2, 3], [4, 5, 5, 4], [4, 4, 5, 5]) == [2, 3]


def test_one_polarity_is_kept():
    for keep, kept in (("on", [0, 2]), ("off", [1])):
        assert left(camera([Polarity(keep)]), [0] * 3, [1] * 3, [1] * 3, [1, 0, 1]) == kept


def test_a_rate_is_a_hard_cap_and_thins_evenly():
    one = camera([RateLimit(5000.0)])  # 5 in a tick of 1 ms
    for _ in range(20):
        kept = left(one, np.zeros(50), [1] * 50, [1] * 50)
        assert len(kept) == 5
        assert set(np.diff(kept)) == {10}
    assert filtered(one) == {"rate_limit": 20 * 45}
    assert len(left(one, [0] * 4, [1] * 4, [1] * 4)) == 4


def test_a_burst_is_what_was_saved_up():
    one = camera([RateLimit(2000.0, burst=12)])
    assert len(left(one, np.zeros(40), [1] * 40, [1] * 40)) == 12
    assert len(left(one, np.zeros(40), [1] * 40, [1] * 40)) == 2
    for _ in range(3):
        one.step({"camera": None})
    assert len(left(one, np.zeros(40), [1] * 40, [1] * 40)) == 8


def test_a_slow_rate_lets_one_through_now_and_then():
    one = camera([RateLimit(250.0)])
    counts = [len(left(one, [0, 0], [1, 1], [1, 1])) for _ in range(40)]
    assert sum(counts) == 10
    assert max(counts) == 1


def test_filters_run_in_their_order_and_names_do_not_clash():
    one = camera([Polarity("on"), Region(0, 0, 8, 12), Refractory(1e-3), Region(0, 0, 16, 4)])
    assert left(one, [0, 1, 2, 3, 4], [1, 1, 9, 1, 2], [1, 1, 1, 6, 2], [0, 1, 1, 1, 1]) == [1, 4]
    assert filtered(one) == {"polarity": 1, "region": 1, "refractory": 0, "region_2": 1}


def test_a_tick_without_events_sees_none():
    one = camera([Region(0, 0, 16, 12)], required=False)
    assert left(one, [0], [1], [1]) == [0]
    one.step({"camera": None})
    assert one.bound.array("camera.kept")[0] == 0
    assert one.bound.array("camera.pooled").sum() == 0


def test_what_filters_remember_is_saved_restored_and_reset():
    one, other = (camera([Refractory(1e-2), RateLimit(3000.0, burst=9)]) for _ in range(2))
    rng = np.random.default_rng(2)
    ticks = [
        (MS * k + np.sort(rng.integers(0, MS, 30)), rng.integers(0, 16, 30), rng.integers(0, 12, 30)) for k in range(20)
    ]
    want = [left(one, *tick) for tick in ticks[:10]]
    other.restore(one.state())
    rest = [left(one, *tick) for tick in ticks[10:]]
    assert [left(other, *tick) for tick in ticks[10:]] == rest
    other.reset()
    assert [left(other, *tick) for tick in ticks] == want + rest


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
