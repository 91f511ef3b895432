"""Pictures for the page: weights and events, averaged where there are too many for a picture."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control import Controller
from snn_control.analysis.synapses import synapse_arrays
from snn_control.controller_file import load_spec, parse_spec
from snn_control.resources import controller_path
from snn_control.watch import feed, weights
from tests.watch import runs

SPARSE = deepcopy(runs.FILE)
for one, seed in zip(SPARSE["network"]["projections"], (1, 2, 3), strict=True):
    one["connection"] = {"type": "fixed_probability", "p": 0.4, "seed": seed}
SPARSE["network"]["projections"][0]["weights"] = 0.3


def pooled(pre, post, weight, n_pre, n_post, rows, columns):
    """The mean of the synapses of each cell; cell r of R has the targets from floor(r n / R) on, as the page says."""
    picture = np.zeros((rows, columns))
    for r in range(rows):
        for c in range(columns):
            here = (post >= r * n_post // rows) & (post < (r + 1) * n_post // rows)
            here &= (pre >= c * n_pre // columns) & (pre < (c + 1) * n_pre // columns)
            picture[r, c] = weight[here].mean() if here.any() else 0.0
    return picture


@pytest.mark.parametrize("file", [runs.FILE, SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize(("rows", "columns"), [(96, 1024), (7, 9), (1, 3)])
def test_a_cell_is_the_mean_of_its_synapses(file, rows, columns, monkeypatch):
    monkeypatch.setattr(weights, "MOST_ROWS", rows)
    monkeypatch.setattr(weights, "MOST_COLUMNS", columns)
    spec = parse_spec(file)
    controller = Controller.from_spec(spec)
    for k in range(60):
        controller.step({"state": [np.cos(k / 9), np.sin(k / 9), 3.0]})
    told, arrays = weights.Weights(controller, spec).onto("hidden", learned=False)
    assert [(one["key"], one["pre"], one["sources"], one["targets"], one["learns"]) for one in told] == [
        ("weights.0", "state", 24, 20, False), ("weights.1", "hidden", 20, 20, True),
    ]  # fmt: skip
    pre, post, weight, _ = synapse_arrays(spec.network.projections[0], 24, 20)
    learned = controller.rule_weights(controller.program.facts.learning[0])
    if not isinstance(learned, tuple):
        learned = (*np.divmod(np.arange(400), 20), learned.ravel())
    assert np.ptp(learned[2]) > 0
    for key, synapses, n_pre in (("weights.0", (pre, post, weight), 24), ("weights.1", learned, 20)):
        wanted = pooled(*synapses, n_pre, 20, min(rows, 20), min(columns, n_pre))
        assert arrays[key].dtype == np.float32
        np.testing.assert_allclose(arrays[key], wanted, rtol=1e-6, atol=1e-12)


def test_only_what_learns_is_read_anew():
    spec = parse_spec(runs.FILE)
    pictures = weights.Weights(Controller.from_spec(spec), spec)
    assert pictures.onto("hidden", learned=False)[1]["weights.0"] is pictures.onto("hidden", False)[1]["weights.0"]
    assert list(pictures.onto("hidden", learned=True)[1]) == ["weights.1"]
    assert pictures.onto("nobody", learned=False) == ([], {})


def test_kernels_are_side_by_side():
    spec = load_spec(controller_path("event_tracker"))
    controller = Controller.from_spec(spec)
    k, one = next((k, p) for k, p in enumerate(spec.network.projections) if np.ndim(p.weights) == 4)
    told, arrays = weights.Weights(controller, spec).onto(one.post, learned=False)
    assert next(t for t in told if t["key"] == f"weights.{k}")["kernels"]
    kernels = np.asarray(one.weights, np.float32)
    out, into, height, width = kernels.shape
    picture = arrays[f"weights.{k}"]
    for o in range(min(out, len(picture) // height)):
        for i in range(min(into, picture.shape[1] // width)):
            there = picture[o * height : (o + 1) * height, i * width : (i + 1) * width]
            assert np.array_equal(there, kernels[o, i])


@given(st.lists(st.tuples(st.integers(0, 400) | st.just(65535), st.integers(0, 300), st.booleans()), max_size=50))
def test_a_cell_of_a_picture_of_events_is_on_minus_off(events):
    picture = feed.picture_of(dict(zip("xyp", np.array(events, np.uint16).reshape(-1, 3).T, strict=True)), (346, 260))
    wanted = np.zeros((87, 116), int)  # cells of 3 x 3 pixels
    for x, y, on in events:
        if x < 346 and y < 260:
            wanted[y // 3, x // 3] += 1 if on else -1
    assert np.array_equal(picture, wanted)
