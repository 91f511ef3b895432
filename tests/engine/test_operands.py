"""A Program that would lead a kernel out of its arrays is refused before anything runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from snn_control.coding import (
    BackgroundActivity,
    EventsInput,
    FieldsEncoder,
    FirstSpikeDecoder,
    HotPixels,
    MembraneDecoder,
    Output,
    Polarity,
    PoolEncoder,
    PopulationEncoder,
    PopulationVectorDecoder,
    RateLimit,
    Refractory,
    Region,
    SignedEncoder,
    SpikeCountDecoder,
    SpikeDecoder,
    StepForwardEncoder,
    SurfaceEncoder,
    ValueInput,
)
from snn_control.controller import Batch, Controller
from snn_control.engine.bound import Bound
from snn_control.engine.build import build
from snn_control.engine.kernels.guard import guard
from snn_control.engine.program import Place
from snn_control.errors import ProgramError
from snn_control.network import LI, LIF, CubaLIF, Latency, Network, Poisson, Population, Projection

FILTERS = (
    Region(1, 2, 8, 8), HotPixels(pixels=[(3, 3)]), Refractory(1e-3), BackgroundActivity(1e-2), Polarity("on"),
    RateLimit(1e4),
)  # fmt: skip


@pytest.fixture(scope="module")
def program():
    network = Network(
        (Population("a", 5, LIF(refractory=0.002)), Population("b", 4, CubaLIF()), Population("c", 3, LI())),
        (
            Projection("camera", "a", 0.1),
            Projection("x", "b", 0.1),
            Projection("a", "b", 0.2, "sparse", pre_index=[0, 1, 4], post_index=[3, 0, 1], delay=0.002),
            Projection("b", "c", 0.3),
            Projection("c", "a", 0.1, delay=0.003),
            Projection("c", "b", 0.1, "sparse", pre_index=[0, 1, 2, 0], post_index=[0, 1, 2, 3], delay=0.001),
            Projection("c", "a", 0.1, "sparse", pre_index=[2, 1, 2, 0, 0], post_index=[0, 1, 2, 3, 4], delay=0.001),
            Projection("c", "a", 0.1, "sparse", pre_index=[2, 1], post_index=[3, 3], delay=0.002),
        ),
    )
    inputs = [
        EventsInput("camera", size=(16, 16), encoder=PoolEncoder((4, 4), response="binary"), filters=FILTERS),
        EventsInput("left", size=(16, 16), encoder=SurfaceEncoder((4, 4), 0.1)),
        ValueInput("x", range=(-1, 1), encoder=PopulationEncoder(5, neuron=LIF())),
        ValueInput("y", size=2, range=(-1, 1), encoder=FieldsEncoder((3, 2), neuron=Poisson())),
        ValueInput("z", size=2, encoder=SignedEncoder(neuron=Latency())),
        ValueInput("w", encoder=StepForwardEncoder()),
    ]
    decoders = (
        SpikeDecoder("b", 1.0, 0.01), PopulationVectorDecoder("y", 1.0, 0.01), SpikeCountDecoder("z", 1.0, 0.003),
        FirstSpikeDecoder("w", 0.003), MembraneDecoder("c", 1.0, 0.003),
    )  # fmt: skip
    return build(network, inputs, [Output("u", decoders)], dt=0.001, period=0.001)


def with_operands(program, kernel, change):
    """A copy of the Program in which the operands of the first operation of a kernel are changed."""
    operations = list(program.operations)
    k = next(i for i, o in enumerate(operations) if o.kernel == kernel)
    operations[k] = dataclasses.replace(operations[k], operands=tuple(change(list(operations[k].operands))))
    return dataclasses.replace(program, operations=tuple(operations))


def test_the_program_itself_binds_and_runs(program):
    Bound(program).tick()


KERNELS = [
    "check_sample",
    "population",
    "fields",
    "signed",
    "changes",
    "pool",
    "surface",
    "respond",
    "region",
    "hot_pixels",
    "refractory",
    "background",
    "one_polarity",
    "rate_limit",
    "csr_spikes",
    "dense_graded",
    "gather_graded",
    "tile_graded",
    "csr_graded",
    "integrate_and_fire",
    "leaky_integrator",
    "stochastic",
    "temporal",
    "trace",
    "population_vector",
    "window_counts",
    "window_mean",
    "first_spike",
    "guard",
    "copy",
]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_row_of_another_length_is_refused(program, kernel):
    for change in (lambda o: o[:-1], lambda o: [*o, 0]):
        with pytest.raises(ProgramError, match=kernel):
            Bound(with_operands(program, kernel, change))


#: kernel -> where its size stands, if not first; of events it is the capacity
SIZE_AT = {"guard": 3, "pool": 12, "surface": 2} | dict.fromkeys(
    ("region", "hot_pixels", "refractory", "background", "one_polarity", "rate_limit"), 2
)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_size_beyond_the_arrays_is_refused(program, kernel):
    position = SIZE_AT.get(kernel, 0)
    for size in (1 << 28, 1 << 62, -1):
        with pytest.raises(ProgramError, match=kernel):
            Bound(with_operands(program, kernel, lambda o, n=size: [*o[:position], n, *o[position + 1 :]]))


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_place_that_is_too_small_or_no_place_is_refused(program, kernel):
    operands = next(o for o in program.operations if o.kernel == kernel).operands
    for k, operand in enumerate(operands):
        if isinstance(operand, Place):
            small = dataclasses.replace(operand, dtype="|u1", shape=(0,))
            for other in (small, 7, 0.5, None):
                if kernel == "check_sample" and k in (2, 3, 5):  # a stream has none
                    continue
                with pytest.raises(ProgramError, match=kernel):
                    Bound(with_operands(program, kernel, lambda o, k=k, v=other: [*o[:k], v, *o[k + 1 :]]))


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"steps": -3},
        {"io_bytes": -64},
        {"names": {}},
    ],
)
def test_a_damaged_head_is_refused(program, changes):
    with pytest.raises(ProgramError):
        Bound(dataclasses.replace(program, **changes))


@pytest.mark.parametrize(
    "place", [{"shape": (-1,)}, {"dtype": "nonsense"}, {"offset": 1 << 40}, {"offset": -64}, {"kind": 9}]
)
def test_a_damaged_place_is_refused(program, place):
    def change(operands):
        return [dataclasses.replace(o, **place) if isinstance(o, Place) else o for o in operands]

    with pytest.raises(ProgramError):
        Bound(with_operands(program, "integrate_and_fire", change))


def test_numbers_beyond_what_a_kernel_knows_are_refused(program):
    for kernel, position, values in [
        ("stochastic", 13, (-1, 1 << 63)), ("stochastic", 14, (-1, 1 << 32)),  # seed, operation number
        ("temporal", 13, (0, 21)), ("temporal", 14, (2,)),  # steps of a window, subtract
        ("changes", 5, (2,)), ("population_vector", 5, (-1,)),
        ("window_mean", 2, (0, 11)), ("window_mean", 3, (0, 2)), ("window_mean", 5, (0, 4)),  # stride, slots, steps
        ("window_counts", 6, (0, 4)), ("first_spike", 8, (0, 9)), ("first_spike", 9, (0,)),  # steps of a window
    ]:  # fmt: skip
        for value in values:
            with pytest.raises(ProgramError, match=kernel):
                Bound(with_operands(program, kernel, lambda o, k=position, v=value: [*o[:k], v, *o[k + 1 :]]))


def test_a_filter_that_would_lead_out_of_the_sensor_or_the_columns_is_refused(program):
    for kernel, position, values in [
        ("region", 5, (17, 1 << 31)), ("region", 8, (2,)), ("region", 9, (-1, 9)), ("region", 11, (16,)),
        ("hot_pixels", 6, (17,)), ("refractory", 5, (17,)),
        ("refractory", 11, (0, 1 << 31)), ("refractory", 12, (1, 2)),
        ("background", 6, (17,)), ("background", 10, (0,)), ("one_polarity", 9, (2,)), ("rate_limit", 9, (0, 1 << 61)),
        ("pool", 2, (16383,)), ("pool", 5, (15,)), ("respond", 4, (3, -1)),
    ]:  # fmt: skip
        for value in values:
            with pytest.raises(ProgramError, match=rf"{kernel}|lists are taken for"):
                Bound(with_operands(program, kernel, lambda o, k=position, v=value: [*o[:k], v, *o[k + 1 :]]))


def test_a_list_of_one_camera_is_not_read_in_the_columns_of_another(program):
    with pytest.raises(ProgramError, match="lists are taken for"):
        Bound(moved(program, "refractory", 3, program.names["left.x"]))
    with pytest.raises(ProgramError, match="overlaps indices that another operation follows"):
        Bound(moved(program, "fields", 3, dataclasses.replace(program.names["camera.kept"], dtype="<f4")))


def test_a_synapse_or_a_spike_beyond_the_population_is_refused(program):
    synapses = program.names["a->b.weights"]
    constants = program.constants.copy()
    synapses.view(constants)[0, 0] = 4
    with pytest.raises(ProgramError, match="a synapse onto neuron 4"):
        Bound(dataclasses.replace(program, constants=constants))
    ring = program.names["a.spikes"]
    state = program.initial_state.copy()
    ring.view(state)[:8].view(np.int64)[0] = 6
    with pytest.raises(ProgramError, match="a spike list of 6"):
        Bound(dataclasses.replace(program, initial_state=state))


def test_a_sparse_row_of_a_graded_signal_that_leads_out_is_refused(program):
    rows = {o.kernel: o.operands for o in program.operations if o.kernel.endswith("_graded")}
    for place, at, text in (
        (rows["csr_graded"][2], 0, "a synapse onto neuron 5: only 5"),
        (rows["csr_graded"][-1], -1, "row pointers: must ascend"),
        (rows["gather_graded"][-1], 2, "channel 5: only 3"),
    ):
        constants = program.constants.copy()
        place.view(constants).flat[at] = 5
        with pytest.raises(ProgramError, match=text):
            Bound(dataclasses.replace(program, constants=constants))
    with pytest.raises(ProgramError, match="a tile of 4: must be a multiple of 3"):
        Bound(with_operands(program, "tile_graded", lambda o: [*o[:-1], 4]))


def moved(program, kernel, word, place):
    """A copy of the Program in which one operand of a kernel's first row has another place."""
    return with_operands(program, kernel, lambda o: [*o[:word], place, *o[word + 1 :]])


def test_a_reader_that_takes_a_ring_for_a_smaller_one_is_refused(program):
    with pytest.raises(ProgramError, match="lists are taken for"):
        Bound(moved(program, "csr_spikes", 11, 3))  # row pointers of two neurons in place of five


def test_a_place_that_lies_over_spike_lists_is_refused(program):
    ring, v = program.names["a.spikes"], program.names["c.v"]
    over = dataclasses.replace(v, offset=ring.offset)
    with pytest.raises(ProgramError, match="overlaps indices that another operation follows"):
        Bound(moved(program, "leaky_integrator", 5, over))


def test_a_place_that_lies_over_the_clock_is_refused(program):
    """A clock that jumps would send a recorder of spikes through 2^63 steps."""
    over = dataclasses.replace(program.names["c.v"], offset=program.names["clock"].offset)
    with pytest.raises(ProgramError, match="overlaps indices that another operation follows"):
        Bound(moved(program, "leaky_integrator", 5, over))


def test_a_kernel_that_would_write_into_the_constants_is_refused(program):
    constant = program.names["b->c.weights"]
    with pytest.raises(ProgramError, match="would write into the constants"):
        Bound(moved(program, "trace", 1, constant))


def test_a_state_that_was_changed_is_refused_and_nothing_is_lost(program):
    one, both = Controller(program), Batch(program, 2)
    good = one.state()
    bad = good.copy()
    at = one._mark.size + program.names["a.spikes"].offset
    bad[at : at + 8].view(np.int64)[0] = 1 << 40
    for thing in (one, both):
        before = thing.state()
        with pytest.raises(ProgramError, match="a spike list of 1099511627776"):
            thing.restore(bad)
        assert thing.state().tobytes() == before.tobytes()
        thing.step({})


def with_state(controller, name, values):
    """A state of a controller in which a named array, or a place, is replaced."""
    state = controller.state()
    place = controller.program.names[name] if isinstance(name, str) else name
    place.view(state[controller._mark.size :])[...] = values
    return state


def test_bytes_behind_the_flags_are_no_neurons(program):
    one, other = Controller(program), Controller(program)
    flags = next(o for o in program.operations if o.kernel == "integrate_and_fire" and o.label == "a").operands[5]
    padding = np.r_[np.zeros(5, np.uint8), np.ones(flags.n_bytes - 5, np.uint8)]
    other.restore(with_state(other, flags, padding))
    for k in range(20):
        given = {"x": [0.3], "camera": np.array([[k * 1e-4, 3, 4, 1]])}
        assert one.step(given)["u"].tobytes() == other.step(given)["u"].tobytes()
    assert one.counters() == other.counters()


@pytest.mark.parametrize("last", [1e300, -1.1, np.nan, np.inf])
def test_a_last_command_that_cannot_have_been_is_refused(last):
    output = Output("u", (SpikeDecoder("a", 1.0, 0.01),), limits=(-1, 1), slew=2.0)
    one = build(Network((Population("a", 3, LIF()),)), [], [output], dt=1e-3, period=1e-3)
    controller, batch = Controller(one), Batch(one, 2)
    for thing in (controller, batch):
        with pytest.raises(ProgramError, match="the last command: must be within the limits"):
            thing.restore(with_state(controller, "previous", last))
        thing.restore(with_state(controller, "previous", 0.25))
    assert abs(controller.step({})["u"][0] - 0.25) <= 2e-3 * (1 + 1e-9)
    controller.bound.array("previous")[:] = last  # nobody checks what is written here
    assert -1 <= controller.step({})["u"][0] <= 1


def test_a_count_that_a_driver_wrote_is_not_believed(program):
    one = Controller(program)
    for name in ("camera", "left"):
        for count in (-1, -(1 << 62), 1 << 62):
            one.bound.array(f"{name}.slot")[[0, 2]] = 1, count
            one.bound.tick()
    seen = one.counters()["inputs"]["left"]
    assert seen["events"] + seen["out_of_frame"] == one.inputs["left"].capacity


def test_limits_that_limit_nothing_are_refused(program):
    limits = dict(zip(guard.words, program.operations[-1].operands, strict=True))["limits"]
    good, unlimited = [-1, 1, 0, 1], [np.inf, np.inf]
    wrong = [[*(np.nan if k == word else x for k, x in enumerate(good)), *unlimited] for word in range(4)]
    wrong += [[1, -1, 0, 1, *unlimited], [-1, 1, 2, 1, *unlimited], [*good, -1, np.inf], [*good, np.nan, np.inf]]
    rules = dict.fromkeys(map(tuple, wrong), "must be low <= safe <= high, and slew, acceleration, jerk >= 0")
    rules |= {(*good, 1, np.inf): "need 2 words of motion", (*good, 1, 0.5): "need 6 words of motion"}
    for values, rule in rules.items():
        constants = program.constants.copy()
        limits.view(constants)[:] = np.array([values]).T
        with pytest.raises(ProgramError, match=f"guard: limits: {rule}"):
            Bound(dataclasses.replace(program, constants=constants))


#: change of the names, and the expected message
NAMES = {
    "numbers of an input over its list of events": ("x.data", "camera.kept", "its numbers must follow its slot"),
    "a slot that is none": ("x.slot", "camera.x", "its numbers must follow its slot"),
    "columns of another length": ("left.x", "x.data", "'left.x' is Place"),
    "a clock in the middle of spike lists": ("clock", "a.spikes", "indices overlap|overlaps indices"),
    "spike lists that are none": ("a.spikes", "b.v", "overlaps? indices that|lists are taken|indices overlap"),
    "commands without a guard": ("command", "x.data", "must be the guard of all commands"),
    "another safe command": ("safe", "b->c.weights", "'safe' is Place|the safe command must be the guard's"),
}


@pytest.mark.parametrize("what", NAMES)
def test_a_name_that_leads_elsewhere_is_refused_before_a_driver_follows_it(program, what, tmp_path):
    name, to, rule = NAMES[what]
    places = program.names
    for place in (places[to], dataclasses.replace(places[name], kind=places[to].kind, offset=places[to].offset)):
        wrong = dataclasses.replace(program, names=places | {name: place})
        with pytest.raises(ProgramError, match=f"{rule}|'{name}' is Place|lies outside"):
            Bound(wrong)
        with pytest.raises(ProgramError):
            Batch(wrong, 1)
    wrong.save(tmp_path / "wrong.npz")
    with pytest.raises(ProgramError):
        Controller.load(tmp_path / "wrong.npz")


@pytest.mark.parametrize(
    ("key", "entry", "field", "value"),
    [
        ("inputs", 0, "capacity", 1 << 22), ("inputs", 0, "size", [-1, 16]), ("inputs", 0, "size", 3),
        ("inputs", 2, "size", 2), ("inputs", 2, "kind", "events"), ("inputs", 2, "name", "y"),
        ("outputs", 0, "size", 2), ("outputs", 0, "name", "w"), ("populations", -3, "stride", 64),
        ("populations", -3, "size", 500), ("populations", -3, "slots", 10**6), ("populations", -3, "multiplicity", 8),
        ("populations", -3, "size", None), ("populations", -3, "name", "b"),
        ("populations", -3, "name", ""), ("populations", -1, "name", []),
    ],
)  # fmt: skip
def test_a_fact_that_promises_more_than_there_is_is_refused(program, key, entry, field, value):
    entries = list(getattr(program.facts, key))
    entries[entry] = dataclasses.replace(entries[entry], **{field: value})
    changed = dataclasses.replace(program, facts=dataclasses.replace(program.facts, **{key: tuple(entries)}))
    rule = r"the facts|facts have|must be|no ring|multiplicity 8|touches|lists are taken"
    with pytest.raises(ProgramError, match=rule):
        Bound(changed)


def test_a_list_of_events_is_begun_before_it_is_followed_and_the_guard_is_last(program):
    kernels = [o.kernel for o in program.operations]
    region, rest = kernels.index("region"), list(program.operations)
    rest.pop(region)
    late = [*rest[: region + 1], program.operations[region], *rest[region + 1 :]]
    wrong = [dataclasses.replace(program, operations=tuple(one)) for one in (rest, late)]
    for one in (*wrong, with_operands(program, "region", lambda o: [*o[:8], 0, *o[9:]])):
        with pytest.raises(ProgramError, match="followed before a region begins it"):
            Bound(one)
    with pytest.raises(ProgramError, match="the last operation must be the guard"):
        Bound(dataclasses.replace(program, operations=program.operations[:-1]))
