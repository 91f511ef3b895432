"""The stimulus of a controller: the default one, and files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snn_control.analysis.stimulus import default_stimulus, value_range
from snn_control.analysis.stimulus_files import load_stimulus
from snn_control.coding import EventsInput, PoolEncoder, PopulationEncoder, ValueInput
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError
from snn_control.events import Events
from snn_control.events.writing import write_npz, write_raw
from snn_control.resources import shipped


@pytest.fixture(scope="module")
def spec():
    return load_spec(shipped("pan_tilt"))


def test_the_default_covers_every_range_and_stays_in_the_frame(spec):
    stimulus = default_stimulus(spec, 1.0)
    assert (stimulus.ticks, stimulus.seconds) == (1000, 1.0)
    velocity = stimulus.values["joint_velocity"]
    assert velocity.min(0) == pytest.approx([-6.5, -6.5], abs=0.01)
    assert velocity.max(0) == pytest.approx([6.5, 6.5], abs=0.01)
    t, x, y, p = stimulus.events["camera"]
    assert len(t) == 2 * 128 * 128
    assert (np.diff(t) >= 0).all()
    assert t[0] >= 0
    assert t[-1] <= 10**9
    for column in (x, y):
        assert (column.min(), column.max()) == (0, 127)
    assert 0.3 < p.mean() < 0.7


def test_the_disc_brightens_in_front_of_it(spec):
    """Mean place of ON minus that of OFF events points along the motion of all events."""
    t, x, y, p = default_stimulus(spec, 1.0, seed=3).events["camera"]
    agree = 0
    for begin in np.arange(0.0, 0.98, 0.02):
        a, b = ((t >= k * 1e9) & (t < (k + 0.02) * 1e9) for k in (begin, begin + 0.02))
        motion = [c[b].mean() - c[a].mean() for c in (x, y)]
        front = [c[a & (p == 1)].mean() - c[a & (p == 0)].mean() for c in (x, y)]
        agree += np.dot(motion, front) > 0
    assert agree > 44  # of 49


def test_the_seed_decides(spec):
    one, same, other = (default_stimulus(spec, 0.1, seed).events["camera"][1] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_small_capacity_is_not_flooded(spec):
    camera = EventsInput("camera", size=(640, 480), encoder=PoolEncoder((8, 8)), capacity=100)
    few = replace(spec, inputs=(camera,))
    assert len(default_stimulus(few, 1.0).events["camera"][0]) == 50 * 1000


def test_every_event_is_given_in_its_tick(spec):
    stimulus = default_stimulus(spec, 0.05)
    seen = [o["camera"] for o in stimulus.log.observations()]
    assert np.array_equal(np.concatenate([o[0] for o in seen]), stimulus.events["camera"][0])
    for k, columns in enumerate(seen):
        assert ((columns[0] >= k * 10**6) & (columns[0] < (k + 1) * 10**6)).all()


@pytest.mark.parametrize(
    ("more", "low", "high"),
    [
        ({"range": (-2.0, [1.0, 3.0])}, [-2, -2], [1, 3]),
        ({}, [-1, -1], [1, 1]),
        ({"range": (0.0, np.inf)}, [0, 0], [2, 2]),
        ({"range": (-np.inf, 5.0)}, [3, 3], [5, 5]),
        ({"plausible": (-7.0, 7.0)}, [-7, -7], [7, 7]),
        ({"plausible": (-7.0, 7.0), "encoder": PopulationEncoder(3, low=-4.0, high=4.0)}, [-4, -4], [4, 4]),
    ],
)
def test_what_an_input_means_is_known_or_guessed(more, low, high):
    found = value_range(ValueInput("x", size=2, **more))
    assert (found[0].tolist(), found[1].tolist()) == (low, high)


def saved(folder, **arrays):
    path = folder / "shown.npz"
    np.savez(path, **arrays)
    return path


def test_a_file_is_given_row_by_row(tmp_path, spec):
    velocity = np.random.default_rng(0).normal(size=(5, 2))
    events = np.array([[0.0042, 3, 4, 1], [0.0001, 1, 2, 0], [0.0031, 5, 6, -1]])
    stimulus = load_stimulus(saved(tmp_path, joint_velocity=velocity, camera=events), spec)
    assert stimulus.ticks == 5
    seen = list(stimulus.log.observations())
    assert np.array_equal([o["joint_velocity"] for o in seen], velocity)
    assert [len(o["camera"][0]) for o in seen] == [1, 0, 0, 1, 1]
    assert [column.tolist() for column in seen[3]["camera"]] == [[3_100_000], [5], [6], [0]]


def test_whole_numbers_of_t_are_nanoseconds_and_seconds_cut(tmp_path, spec):
    events = np.array([[0, 1, 1, 1], [4_200_000, 2, 2, 0]])
    path = saved(tmp_path, joint_velocity=np.zeros((10, 2)), camera=events)
    stimulus = load_stimulus(path, spec, seconds=0.005)
    assert stimulus.ticks == 5
    assert [len(o["camera"][0]) for o in stimulus.log.observations()] == [1, 0, 0, 0, 1]


def test_an_input_that_is_not_required_may_be_missing(tmp_path, spec):
    optional = replace(spec, inputs=(spec.inputs[0], replace(spec.inputs[1], required=False)))
    stimulus = load_stimulus(saved(tmp_path, camera=np.array([[0.0095, 1, 1, 1]])), optional)
    assert stimulus.ticks == 10
    assert "joint_velocity" not in next(iter(stimulus.log.observations()))


GOOD = {"joint_velocity": np.zeros((4, 2)), "camera": np.zeros((0, 4))}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"joint_velocity": np.zeros((4, 3))}, r"#joint_velocity = 'shape \(4, 3\)': must be \(ticks, 2\)"),
        ({"joint_velocity": np.zeros((0, 2))}, r"must be \(ticks, 2\)"),
        ({"joint_velocity": np.array([["a", "b"]])}, "must be numbers"),
        ({"joint_velocty": np.zeros((4, 2))}, "did you mean 'joint_velocity'"),
        ({"camera": np.zeros((4, 3))}, r"#camera = 'shape \(4, 3\)': must be \(n, 4\)"),
        ({"camera": np.array([[-1.0, 0, 0, 0]])}, "t >= 0"),
        ({"camera": np.array([[np.nan, 0, 0, 0]])}, "must be finite"),
        ({"camera": None}, "#camera: is missing"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, spec, change, says):
    arrays = {key: value for key, value in (GOOD | change).items() if value is not None}
    with pytest.raises(DescriptionError, match=says):
        load_stimulus(saved(tmp_path, **arrays), spec)


def test_more_seconds_than_there_are_rows(tmp_path, spec):
    with pytest.raises(DescriptionError, match=r"--seconds = 1.0: must be at most the 0.004 s"):
        load_stimulus(saved(tmp_path, **GOOD), spec, seconds=1.0)


def test_times_that_begin_in_1970(tmp_path, spec):
    only = replace(spec, inputs=spec.inputs[:1])
    with pytest.raises(DescriptionError, match="start t at 0"):
        load_stimulus(saved(tmp_path, camera=np.array([[1.7e9, 0, 0, 0]])), only)


def test_no_file_and_not_a_file(tmp_path, spec):
    with pytest.raises(DescriptionError, match="No such file"):
        load_stimulus(tmp_path / "none.npz", spec)
    path = tmp_path / "text.npz"
    path.write_text("not an archive")
    with pytest.raises(DescriptionError, match=r"is not an \.npz file"):
        load_stimulus(path, spec)


def moving(n=2000, **more):
    """Events of 0.2 s, one each 0.1 ms, on a diagonal of 128 x 128 pixels."""
    x = (np.arange(n) % 128).astype(np.uint16)
    return Events(7_000_000 + np.arange(n) * 100, x, x, (np.arange(n) % 2).astype(np.uint8), "us", **more)


@pytest.mark.parametrize("suffix", ["npz", "raw"])
def test_any_recording_is_shown_to_the_one_camera(tmp_path, spec, suffix):
    events, path = moving(), tmp_path / f"a.{suffix}"
    write = {"npz": lambda: write_npz(path, lambda: [events], "us", None, None),
             "raw": lambda: write_raw(path, lambda: [events], None, None)}  # fmt: skip
    write[suffix]()
    stimulus = load_stimulus(path, spec)
    assert stimulus.ticks == 200
    t, x, _, p = stimulus.events["camera"]
    assert np.array_equal(t, np.arange(2000) * 100_000)
    assert np.array_equal(x, events.x)
    assert np.array_equal(p, events.p)
    assert not stimulus.values["joint_velocity"].any()
    assert load_stimulus(path, spec, seconds=0.05).ticks == 50
    assert len(load_stimulus(path, spec, seconds=0.05).events["camera"][0]) == 500
    small = replace(spec, inputs=(replace(spec.inputs[0], size=(64, 64)), spec.inputs[1]))
    few = load_stimulus(path, small)
    outside = np.count_nonzero(events.x >= 64)
    assert len(few.events["camera"][0]) == 2000 - outside
    assert f"{outside:,} events out of the frame left out" in few.text


def test_a_recording_without_a_camera_for_it(tmp_path, spec):
    path = tmp_path / "a.raw"
    write_raw(path, lambda: [moving()], None, None)
    with pytest.raises(DescriptionError, match="must have one input of events"):
        load_stimulus(path, replace(spec, inputs=spec.inputs[1:]))
    far = moving()
    write_raw(path, lambda: [replace(far, x=far.x + np.uint16(500))], None, None)
    with pytest.raises(DescriptionError, match="holds no events within the 128x128 pixels"):
        load_stimulus(path, spec)
