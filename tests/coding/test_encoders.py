"""What the encoders give: their formulas, pulses, reconstruction, and encoders of other packages."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from snn_control.coding import (
    DeltaEncoder,
    DirectEncoder,
    Encoder,
    FieldsEncoder,
    LinearEncoder,
    MembraneDecoder,
    Output,
    PopulationEncoder,
    SignedEncoder,
    SpikeCountDecoder,
    StepForwardEncoder,
    ValueInput,
)
from snn_control.controller import Controller
from snn_control.controller_file import parse_spec
from snn_control.engine import registry
from snn_control.engine.build import build
from snn_control.engine.lowering import EncoderLowering, Plugin
from snn_control.engine.program import PRE
from snn_control.errors import BuildError
from snn_control.network import IF, LI, LIF, Bernoulli, Network, Population, Projection, Relay
from tests.rasters import DT, raster


def controller(encoder, size=1, *, steps=1, network=None, seed=0, **values):
    spec = ValueInput("x", size=size, encoder=encoder, **values)
    output = Output("u", (MembraneDecoder("z", 1.0),))
    inputs = [spec, ValueInput("z", required=False)]
    return Controller(build(network or Network(), inputs, [output], dt=DT, period=steps * DT, seed=seed))


def drive(encoder, x, **values):
    one = controller(encoder, np.size(x), **values)
    one.step({"x": x})
    return one.bound.array("x.drive").copy()


def test_direct_is_gain_and_bias_a_dimension():
    np.testing.assert_allclose(drive(DirectEncoder([2, -1, 0.5], 0.25), [1, 2, 3]), [2.25, -1.75, 1.75])
    np.testing.assert_allclose(drive(DirectEncoder(), [1, -2]), [1, -2])


def test_signed_has_a_channel_for_each_sign():
    np.testing.assert_allclose(drive(SignedEncoder([2, 3, 1]), [1.5, -2, 0]), [3, 0, 0, 0, 6, 0])
    np.testing.assert_allclose(drive(SignedEncoder(-1.0), [1.5, -2]), [0, 2, 1.5, 0])


def test_joint_fields_are_gaussians_of_all_dimensions():
    x, low, high = np.array([0.3, 2.2]), np.array([-1, -1]), np.array([1, 3])
    got = drive(FieldsEncoder((4, 3), drive=2.0), x, range=(-1.0, [1.0, 3.0]))
    centres = np.array(list(itertools.product(np.linspace(-1, 1, 4), np.linspace(-1, 3, 3))))
    sigma = (high - low) / (np.array([4, 3]) - 1)
    expected = 2.0 * np.exp(-0.5 * (((x - centres) / sigma) ** 2).sum(axis=1))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    own = FieldsEncoder(centres=centres[::-1], sigma=sigma, drive=2.0)
    np.testing.assert_allclose(drive(own, x), expected[::-1], rtol=1e-5)
    wide = FieldsEncoder(grid=[2, 2], low=-2, high=[0, 2], sigma=0.5, drive=1.0)
    corners = np.array([[-2, -2], [-2, 2], [0, -2], [0, 2]])
    np.testing.assert_allclose(drive(wide, x), np.exp(-2 * ((x - corners) ** 2).sum(axis=1)), rtol=1e-5)


def test_a_field_is_largest_at_its_centre_and_one_dimension_is_a_population():
    x = np.linspace(-1, 1, 5)[[3]]
    fields = drive(FieldsEncoder((5,)), x, range=(-1, 1))
    assert fields.argmax() == 3
    assert (fields == drive(PopulationEncoder(5), x, range=(-1, 1))).all()


# pulses --------------------------------------------------------------------------------------------------------
def walk(n=400, scale=0.03, seed=2):
    return np.cumsum(np.random.default_rng(seed).uniform(-scale, scale, (n, 2)), axis=0)


@pytest.mark.parametrize("steps", [1, 4])
def test_step_forward_follows_the_value_within_the_threshold(steps):
    threshold, x = np.array([0.05, 0.1]), walk()
    one = controller(StepForwardEncoder(threshold), 2, steps=steps)
    pulses = raster(one, len(x), "x", lambda k: {"x": x[k]}).reshape(len(x), steps, 4)
    assert pulses[:, 1:].sum() == 0  # a pulse acts once a tick
    assert pulses.sum() > 40
    on, off = pulses[:, 0, :2], pulses[:, 0, 2:]
    followed = threshold * np.cumsum(on - off, axis=0)
    assert (np.abs(followed - x) < threshold * (1 + 1e-4)).all()


def test_delta_sends_when_the_value_is_a_threshold_away_from_what_was_sent():
    x, threshold, sent = walk(), np.float32(0.08), np.zeros(2, np.float32)
    one = controller(DeltaEncoder(0.08), 2)
    pulses = raster(one, len(x), "x", lambda k: {"x": x[k]})
    for k, value in enumerate(x.astype(np.float32)):
        moved = value - sent
        assert pulses[k].tolist() == [*(moved >= threshold), *(moved <= -threshold)]
        sent = np.where(np.abs(moved) >= threshold, value, sent)
        assert (np.abs(value - sent) < threshold).all()
    assert (one.bound.array("x.sent") == sent).all()


def test_a_value_that_does_not_arrive_has_not_changed():
    one = controller(DeltaEncoder(0.1), required=False)
    pulses = raster(one, 6, "x", lambda k: {"x": 0.5 if k == 2 else None})
    assert pulses[:, 0].tolist() == [0, 0, 1, 0, 0, 0]
    assert pulses[:, 1].sum() == 0


@pytest.mark.parametrize("encoder", [DeltaEncoder(0.1, None), DeltaEncoder(0.1, Relay()), DeltaEncoder(0.1)])
@pytest.mark.parametrize("delay", [0, 3])
def test_a_pulse_reaches_the_network_once(encoder, delay):
    network = Network(
        (Population("sum", 1, LI(tau_mem=1e9, r=1e9 / DT)),),
        (Projection("x", "sum", [[1.0], [-3.0]], delay=delay * DT),),
    )
    one = controller(encoder, steps=4, network=network)
    for x in (0.2, 0.2, 0.5, 0.1):  # ON, nothing, ON, OFF
        one.step({"x": x})
    assert one.bound.array("sum.v")[0] == pytest.approx(1 + 1 - 3, rel=1e-4)


def test_raw_pulses_cannot_be_decoded_after_the_first_step():
    output = Output("u", (MembraneDecoder("x", 1.0),))
    inputs = [ValueInput("x", encoder=DeltaEncoder(0.1, None))]
    with pytest.raises(
        BuildError, match="its pulses are 0 again when outputs are decoded; let a li population read it"
    ):
        build(Network(), inputs, [output], dt=DT, period=2 * DT)
    build(Network(), inputs, [output], dt=DT, period=DT)


# with neurons --------------------------------------------------------------------------------------------------
def test_population_and_bernoulli_are_the_stochastic_population_of_popsan():
    encoder = PopulationEncoder(5, drive=1.0, neuron=Bernoulli(1 / DT))
    one, x, m = controller(encoder, range=(-1.0, 1.0), seed=4), 0.3, 4000
    rates = raster(one, m, "x", {"x": x}).mean(axis=0)
    p = np.exp(-0.5 * ((x - np.linspace(-1, 1, 5)) / 0.5) ** 2)
    assert (np.abs(rates - p) < 4 * np.sqrt(p * (1 - p) / m)).all()


def test_population_and_if_are_the_deterministic_population_of_popsan():
    """Its neurons add the activity in each step, fire above 0.999 and subtract that (Tang et al. 2020)."""
    neuron = IF(r=1 / DT, v_threshold=0.999, reset="subtract", strict=True)
    one = controller(PopulationEncoder(5, drive=1.0, neuron=neuron), range=(-1.0, 1.0))
    got = raster(one, 50, "x", {"x": 0.3})
    activity, v = np.exp(-0.5 * ((0.3 - np.linspace(-1, 1, 5)) / 0.5) ** 2), np.zeros(5)
    for k in range(50):
        v += activity
        assert got[k].tolist() == (v > 0.999).tolist()
        v -= 0.999 * (v > 0.999)


def test_parameters_of_an_encoder_s_neurons_must_be_as_many():
    with pytest.raises(BuildError, match=r"inputs\.x\.encoder\.neuron = 'parameters for 3 neurons': must be for 4"):
        controller(SignedEncoder(neuron=LIF(tau_mem=[0.01, 0.02, 0.03])), 2)


def test_an_encoder_of_the_wrong_kind_of_input_is_refused():
    class Unknown(Encoder):
        pass

    with pytest.raises(BuildError, match=r"inputs\.x\.encoder = 'Unknown': is not an encoder for a value input"):
        controller(Unknown())


# of another package --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Constant(Encoder):
    """Gives the same current for every input."""

    amount: float
    neuron: object = None


def constant_form(b, spec, held):
    out = b.layout.state("", "float32", 2)
    amounts = b.layout.constant("", np.full(2, spec.encoder.amount, np.float32))
    b.emit(PRE, "copy", n=2, y=out, x=amounts, label=spec.name)
    return out


def test_another_package_can_add_an_encoder(monkeypatch):
    monkeypatch.setattr(registry, "_added", registry._Table())
    registry.add(Plugin(encoders={"constant": (Constant, EncoderLowering(constant_form, pulse=True))}))
    document = {
        "version": 1, "period": 4 * DT, "dt": DT,
        "inputs": {"x": {"kind": "value", "encoder": {"type": "constant", "amount": 3}}},
        "network": {
            "populations": {"sum": {"size": 1, "neuron": {"type": "li", "tau_mem": 1e9, "r": 1e12}}},
            "projections": [{"pre": "x", "post": "sum"}],
        },
        "outputs": {"u": {"decoder": {"type": "membrane", "from": "sum", "weights": 1}}},
    }  # fmt: skip
    one = Controller.from_spec(parse_spec(document))
    u = [one.step({"x": 0})["u"][0] for _ in range(3)]
    np.testing.assert_allclose(u, [6, 12, 18], rtol=1e-5)  # two neurons, a pulse of 3 a tick


def test_several_encoders_in_one_controller_keep_to_themselves():
    inputs = [
        ValueInput("a", encoder=StepForwardEncoder(0.1)),
        ValueInput("b", encoder=DirectEncoder(neuron=Bernoulli(1 / DT))),
        ValueInput("c", encoder=LinearEncoder([[1.0, -1.0]], neuron=Bernoulli(1 / DT))),
    ]
    outputs = [Output(f"u{i.name}", (SpikeCountDecoder(i.name, 1.0, 10 * DT),)) for i in inputs]
    one = Controller(build(Network(), inputs, outputs, dt=DT, period=DT))
    for _ in range(20):
        u = one.step({"a": 0.5, "b": 1.0, "c": -1.0})
    assert {name: value[0] for name, value in u.items()} == {"ua": 0, "ub": 10, "uc": 10}
