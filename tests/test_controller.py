"""Controller: the object that users hold."""

import numpy as np
import pytest

import snn_control
from snn_control import Controller
from snn_control.coding import (
    ArgmaxDecoder,
    EventsInput,
    MembraneDecoder,
    Output,
    PoolEncoder,
    Refractory,
    SpikeDecoder,
    ValueInput,
)
from snn_control.engine.build import build
from snn_control.errors import DescriptionError, InputError
from snn_control.network import LI, LIF, Network, Poisson, Population, Projection
from snn_control.resources import shipped

PERIOD = 0.01


def controller(inputs, outputs, repeat=1, network=None):
    return Controller(build(network or Network(), inputs, outputs, dt=PERIOD, period=PERIOD), repeat)


def two_values():
    outputs = [Output("pan", (MembraneDecoder("a", [1.0, 0.0]),)), Output("tilt", (MembraneDecoder("b", 1.0),))]
    return controller([ValueInput("a", size=2), ValueInput("b")], outputs)


def settle(one, given, ticks=5):
    for _ in range(ticks):
        command = one.step(given)
    return command


def test_step_gives_copies_by_name():
    one = two_values()
    first = one.step({"a": [1, 2], "b": 3})
    second = one.step({"a": np.array([[4.0], [5.0]]), "b": np.float32(6)})
    assert {k: v.tolist() for k, v in first.items()} == {"pan": [1.0], "tilt": [3.0]}
    assert {k: v.tolist() for k, v in second.items()} == {"pan": [4.0], "tilt": [6.0]}
    assert second["pan"].dtype == np.float64


def test_an_unknown_name_and_a_wrong_shape_are_errors_that_name_the_way():
    one = two_values()
    with pytest.raises(InputError, match=r"observation\['c'\]: is not an input; known: a, b"):
        one.step({"c": 1})
    with pytest.raises(InputError, match=r"observation\['a'\]: shape \(3,\): must be 2 numbers"):
        one.step({"a": [1, 2, 3]})
    with pytest.raises(InputError, match=r"observation\['b'\] = 'much': must be 1 number$"):
        one.step({"b": "much"})
    for wrong in ("3", np.array(["3"]), np.datetime64("2026-01-01"), np.ma.masked_less([1.0], 2), [None], 10**400, 1j):
        with pytest.raises(InputError, match=r"observation\['b'\] = .*: must be 1 number$"):
            one.step({"a": [0, 0], "b": wrong})
    with pytest.raises(InputError, match=r"observation\['b'\]: shape \(2,\): must be 1 number$"):
        one.step({"b": [1, 2]})
    with pytest.raises(InputError, match=r"observation, a ndarray: must be a mapping.*predict takes an array"):
        one.step(np.zeros(3))
    with pytest.raises(InputError, match=r"observation = \['1', '2', '3'\]: must be numbers"):
        one.predict(["1", "2", "3"])
    with pytest.raises(InputError, match="observation of 4 numbers"):
        one.predict(np.zeros(4))
    with pytest.raises(InputError, match="no 'a'; the inputs are a, b"):
        one.predict({"picture": np.zeros(4)})


def test_ages_grow_by_a_period_from_the_newest_value():
    one = controller([ValueInput("x", stale=2.5 * PERIOD)], [Output("u", (MembraneDecoder("x", 1.0),), safe=-1.0)])
    slot = one.bound.array("x.slot")
    ages = []
    for x in (None, 1.0, None, None, 2.0):
        one.step({"x": x})
        ages.append(int(slot[1]))
    assert ages == [-1, 0, 10_000_000, 20_000_000, 0]


def test_each_number_that_is_not_finite_goes_by_its_rule():
    """As REP 117 has it: inf is beyond the range, -inf before it, NaN an error, which the rule decides."""
    rules = ("high", "low", "hold", "reject")
    scan = ValueInput("a", size=4, range=(0.1, 3.5), plausible=(0.0, 9.0), not_finite=rules)
    one = controller([scan], [Output("u", (MembraneDecoder("a", np.eye(4)),), size=4, safe=-1.0)])
    inf, nan = np.inf, np.nan

    def given(*values):
        return one.step({"a": values})["u"].round(6).tolist()

    assert given(1, 1, nan, 1) == [-1] * 4  # nothing to hold yet: the safe command
    assert given(1, 1, 2, 1) == [-1] * 4  # valid, but release takes some ticks
    settle(one, {"a": [1, 1, 2, 1]})
    assert given(inf, inf, nan, 1) == [3.5, 3.5, 2, 1]
    assert given(-inf, -inf, -inf, 1) == [0.1, 0.1, 2, 1]
    assert given(nan, nan, 1e39, 1) == [3.5, 0.1, 2, 1]  # as float32 it is infinite
    assert given(1, 1, 5, 1) == [1, 1, 3.5, 1]
    assert given(1, 1, nan, 1) == [1, 1, 3.5, 1]
    assert one.counters()["inputs"]["a"] == {"clamped": 2, "rejected": 1, "stale_ticks": 0, "cut": 0, "replaced": 10}
    assert given(1, 1, 1, nan) == [-1] * 4
    assert given(1, 1, 9.5, 1) == [-1] * 4  # not plausible: and not what is held
    settle(one, {"a": [1, 1, nan, 1]})
    assert given(1, 1, nan, 1) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("rule", "stale", "given", "valid"),
    [
        ("high", np.inf, [[1, 1], [np.nan, np.nan]], [1, 0]),
        ("low", np.inf, [[1, 1], [np.nan, np.nan], [np.nan, -np.inf]], [1, 0, 1]),
        # in the open; some beams failed
        ("high", np.inf, [[np.inf, np.inf], [np.nan, np.inf], [1, np.nan]], [1, 1, 1]),
        ("hold", np.inf, [[1, 1], [1, np.nan], [np.nan, np.nan], [np.inf, np.nan]], [1, 1, 0, 0]),
        # what is held ages, of each number by itself
        ("hold", 2.5 * PERIOD, [[1, 1], *[[np.nan, np.nan]] * 3, [1, 1]], [1, 1, 1, 0, 1]),
        ("hold", 2.5 * PERIOD, [[1, 1], *[[2, np.nan]] * 3, [np.nan, 3]], [1, 1, 1, 0, 1]),
        ("hold", 2.5 * PERIOD, [[1, 1], None, None, [2, np.nan], [2, 2]], [1, 1, 1, 0, 1]),
    ],
)
def test_a_sample_that_measured_nothing_is_rejected_whatever_the_rule(rule, stale, given, valid):
    scan = ValueInput("a", size=2, range=(0.1, 3.5), not_finite=rule, stale=stale)
    one = controller([scan], [Output("u", (MembraneDecoder("a", np.eye(2)),), size=2)])
    found = []
    for x in given:
        one.step({} if x is None else {"a": x})
        found.append(int(one.bound.array("validity")[0, 0]))
    assert found == valid


def test_repeat_is_that_many_ticks_of_which_the_first_has_the_input():
    network = Network((Population("a", 1, LIF(), bias=3.0),))
    inputs, outputs = (
        [ValueInput("x", stale=3.5 * PERIOD)],
        [Output("u", (SpikeDecoder("a", 0.1, 0.02), MembraneDecoder("x", 1.0)))],
    )
    once, thrice = controller(inputs, outputs, network=network), controller(inputs, outputs, 3, network)
    for k in range(6):
        given = {"x": float(k)} if k % 4 != 3 else {}
        want = once.step(given)
        for _ in range(2):
            want = once.step({})
        assert thrice.step(given)["u"].tobytes() == want["u"].tobytes()
        assert thrice.state().tobytes() == once.state().tobytes()
    assert thrice.counters()["ticks"] == 18


def test_predict_cuts_a_box_into_the_inputs_in_order():
    one = two_values()
    action, state = one.predict(
        np.array([1, 2, 3], np.float32), state=None, episode_start=np.array([True]), deterministic=True
    )
    assert state is None
    assert action.dtype == np.float32
    assert action.tolist() == [1, 3]


def test_predict_takes_a_dict_by_name_and_leaves_other_keys_alone():
    action, _ = two_values().predict({"b": np.array([3.0]), "goal": np.zeros(3), "a": np.array([1.0, 2.0])})
    assert action.tolist() == [1, 3]


def test_predict_gives_an_int_for_a_discrete_action():
    one = controller([ValueInput("x", size=3)], [Output("u", ArgmaxDecoder(3, (MembraneDecoder("x", np.eye(3)),)))])
    for best in (2, 0, 1):
        action, _ = one.predict(np.eye(3)[best])
        assert type(action) is int
        assert action == best


def test_the_first_of_equal_scores_wins():
    one = controller([ValueInput("x", size=3)], [Output("u", ArgmaxDecoder(3, (MembraneDecoder("x", np.eye(3)),)))])
    assert one.predict(np.array([1.0, 5.0, 5.0]))[0] == 1


# events --------------------------------------------------------------------------------------------------------
def camera(**values):
    encoder = PoolEncoder((2, 2), **values)
    one = controller(
        [EventsInput("camera", size=(4, 4), encoder=encoder, capacity=5)],
        [Output("u", (MembraneDecoder("camera", 1.0),))],
    )
    return one, one.bound.array("camera.pooled")


ROWS = np.array([[0.001, 0, 0, 1], [0.002, 3, 0, 0], [0.003, 3, 3, 1]])


def test_events_are_pooled_by_cell_and_polarity():
    one, pooled = camera(on_weight=0.5, off_weight=0.25)
    one.step({"camera": ROWS})
    assert pooled.tolist() == [0.5, -0.25, 0, 0.5]
    one.step({})
    assert pooled.tolist() == [0, 0, 0, 0]
    assert camera_cells("merge") == [1, 1, 0, 1]
    assert camera_cells("split") == [0, 1, 0, 0, 1, 0, 0, 1]


def camera_cells(polarity):
    one, pooled = camera(polarity=polarity)
    one.step({"camera": ROWS})
    return pooled.tolist()


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        ROWS.astype(np.float32),
        ROWS.tolist(),
        tuple(ROWS.T),
        (
            np.array([1_000_000, 2_000_000, 3_000_000]),
            np.uint16([0, 3, 3]),
            np.uint16([0, 0, 3]),
            np.array([True, False, True]),
        ),
        ROWS * [1, 1, 1, 2] - [0, 0, 0, 1],  # polarity as +1 and -1
    ],
)
def test_events_come_in_several_forms(given):
    one, pooled = camera()
    one.step({"camera": given})
    assert pooled.tolist() == [1, -1, 0, 1]
    assert one.bound.array("camera.t")[:3] == pytest.approx([1_000_000, 2_000_000, 3_000_000], abs=1)


def test_events_outside_the_frame_and_beyond_the_capacity_are_counted():
    one, pooled = camera(polarity="merge")
    rows = [[0, x, y, 1] for x, y in ((4, 0), (-1, 0), (0, 65536), (70000, 1), (1, 1), (0, 0), (0, 0))]
    one.step({"camera": np.array(rows)})
    assert pooled.tolist() == [1, 0, 0, 0]
    counters = one.counters()["inputs"]["camera"]
    assert {k: counters[k] for k in ("events", "out_of_frame", "cut")} == {"events": 1, "out_of_frame": 4, "cut": 2}


def test_times_of_rows_count_from_the_tick_and_whole_ones_are_the_sensors():
    """Filters that compare times over ticks see the same events from a Gymnasium observation and from a camera."""
    refractory = (Refractory(period=1.5 * PERIOD),)
    spec = EventsInput("camera", size=(8, 8), encoder=PoolEncoder((4, 4), "merge"), filters=refractory)
    outputs = [Output("u", (MembraneDecoder("camera", np.ones((16, 1))),))]
    relative, absolute = controller([spec], outputs), controller([spec], outputs)
    after = np.array([0.2, 0.8]) * PERIOD  # one pixel each: every second tick's event is let through
    x = y = p = np.array([1, 5])
    for tick in range(6):
        one = relative.step({"camera": np.stack([after, x, y, p], axis=1)})
        other = absolute.step({"camera": (np.rint((tick * PERIOD + after) * 1e9).astype(np.int64), x, y, p)})
        assert one["u"] == other["u"] == (2 if tick % 2 == 0 else 0)


@pytest.mark.parametrize(
    "given", [np.zeros((3, 5)), np.zeros(4), (ROWS[:, 0], ROWS[:2, 1], ROWS[:, 2], ROWS[:, 3]), [["a"] * 4]]
)
def test_events_of_another_shape_are_an_error(given):
    with pytest.raises(InputError, match=r"observation\['camera'\]"):
        camera()[0].step({"camera": given})


def test_predict_takes_the_rows_in_use_of_a_padded_observation():
    one, pooled = camera(polarity="merge")
    padded = np.concatenate([ROWS, np.zeros((2, 4))])
    one.predict({"camera": padded, "camera_count": np.array([3])})
    assert pooled.tolist() == [1, 1, 0, 1]


def test_a_count_beside_a_value_is_no_count_of_rows():
    one = two_values()
    assert one.read_observation({"a": np.ones(2), "b": 3, "a_count": 1})["a"].tolist() == [1, 1]


def test_a_refused_observation_leaves_the_controller_ready():
    one = two_values()
    with pytest.raises(InputError):
        one.step({"a": [1, 2], "b": [1, 2]})
    assert {k: v.tolist() for k, v in settle(one, {"a": [1, 2], "b": 3}).items()} == {"pan": [1.0], "tilt": [3.0]}


def test_the_counters_can_be_read():
    network = Network((Population("a", 3, LIF(refractory=2 * PERIOD), bias=1e3),))
    one = controller([], [Output("u", (SpikeDecoder("a", 0.1, 0.02),), limits=(-1, 1))], network=network)
    for _ in range(10):
        one.step({})
    counters = one.counters()
    assert counters["ticks"] == 10
    assert counters["spikes"] == {"a": 15}
    assert counters["synaptic_operations"] == 15
    assert counters["guard"]["clamped"] == 10
    assert one.spikes("a").tolist() == []


def test_a_population_may_have_any_name():
    names = ("clock", "guard", "counters", "command", "raw", "validity", "safe", "spike_counts")
    network = Network(tuple(Population(name, 1, LIF(), bias=1e3) for name in names))
    one = controller([], [Output("u", (SpikeDecoder("counters", 0.1, 0.02),))], network=network)
    for _ in range(4):
        one.step({})
    assert one.counters()["spikes"] == dict.fromkeys(names, 4)


def test_the_raster_has_every_spike_of_the_last_tick():
    """Compared with the counter, and with the same network with one step per tick."""
    populations = (Population("a", 5, Poisson(900.0), bias=[0.0, 1.0, 2.0, 3.0, 4.0]), Population("b", 2, LI()))
    net = Network(populations, (Projection("a", "b", np.ones((5, 2))),))
    outputs = [Output("u", (SpikeDecoder("a", 1.0, 0.02),))]
    one, single = (Controller(build(net, (), outputs, dt=1e-3, period=p)) for p in (5e-3, 1e-3))
    assert [len(part) for part in one.raster("a")] == [0, 0]
    seen = {"one": [], "single": []}
    for _ in range(4):
        one.step({})
        seen["one"] += zip(*(part.tolist() for part in one.raster("a")), strict=True)
        for _ in range(5):
            single.step({})
            seen["single"] += zip(*(part.tolist() for part in single.raster("a")), strict=True)
        assert single.spikes("a").tolist() == sorted({n for k, n in seen["single"] if k == seen["single"][-1][0]})
        assert one.spikes("a").tolist() == single.spikes("a").tolist()
        assert one.values("b").tolist() == single.values("b").tolist() == one.bound.array("b.v").tolist()
    assert seen["one"] == seen["single"]
    assert len(seen["one"]) == one.counters()["spikes"]["a"]
    assert len(seen["one"]) > len(set(seen["one"]))  # some fired several times in a step


def test_what_has_no_spikes_or_membrane_is_said():
    net = Network((Population("hidden", 2, LIF()), Population("graded", 2, LI()), Population("noise", 1, Poisson(9.0))))
    one = controller([], [Output("u", (SpikeDecoder("hidden", 1.0, 0.02),))], network=net)
    one.values("hidden")[:] = 7  # a copy
    assert one.values("hidden").tolist() == [0.0, 0.0]
    for look in (one.spikes, one.raster, one.values):
        with pytest.raises(InputError, match=r"population 'hiden': is not one of this.*; did you mean 'hidden'"):
            look("hiden")
    with pytest.raises(InputError, match="'graded': does not spike; values"):
        one.raster("graded")
    with pytest.raises(InputError, match="'noise': its neurons have no membrane"):
        one.values("noise")
    with pytest.raises(InputError, match="there is none"):
        two_values().spikes("a")


def test_a_shipped_controller_is_loaded_by_its_name():
    assert Controller.load("cartpole").program.digest == Controller.load(shipped("cartpole")).program.digest
    with pytest.raises(DescriptionError, match="did you mean 'cartpole'"):
        Controller.load("cartpol")


def test_the_package_lists_what_it_has():
    assert {"Controller", "Model", "__version__"} <= set(dir(snn_control))
