"""Random neuron models, for the random descriptions of controllers."""

import numpy as np
from hypothesis import strategies as st

from snn_control.network import (
    ALIF,
    IF,
    LI,
    LIF,
    AdEx,
    Bernoulli,
    CubaLI,
    CubaLIF,
    Integrator,
    Izhikevich,
    Latency,
    Phase,
    Poisson,
    Relay,
    Threshold,
)

DT = 1e-3


def times(low, high):
    return st.floats(low, high).map(lambda t: round(t, 4))


@st.composite
def spiking(draw, size=None):
    """A model that fires, with parameters for all or, where ``size`` is known, for each neuron."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def number(low, high):
        each = size is not None and draw(st.integers(0, 9)) == 0
        return rng.uniform(low, high, size) if each else draw(times(low, high))

    kinds = [LIF, LIF, CubaLIF, CubaLIF, IF, ALIF, AdEx, Izhikevich, Threshold, Bernoulli, Poisson, Latency, Phase]
    kind = draw(st.sampled_from(kinds))
    if kind in (Bernoulli, Poisson):
        return kind(number(50, 1500))
    if kind is Phase:
        return Phase(draw(st.integers(1, 9)))
    if kind is Latency:
        tau, linear = draw(st.sampled_from([None, 2e-3])), draw(st.booleans())
        return Latency(DT * draw(st.integers(1, 9)), tau, number(0.01, 0.3), linear)
    if kind is Threshold:
        return Threshold(number(0.2, 1.5), strict=draw(st.booleans()))
    refractory = DT * draw(st.integers(0, 3))
    if kind is Izhikevich:
        return Izhikevich(r=number(5, 30), refractory=refractory, a=number(0.02, 0.1), d=number(2, 8))
    if kind is AdEx:
        values = {"tau_mem": number(0.005, 0.02), "v_threshold": number(0.9, 1.1), "v_reset": -0.2, "r": number(1, 4)}
        values |= {"v_leak": 0.0, "v_rheobase": number(0.3, 0.5), "delta_t": number(0.05, 0.2), "a": 0.1, "b": 0.2}
        return AdEx(refractory=refractory, integration=draw(st.sampled_from(["exponential_euler", "euler"])), **values)
    values = {
        "v_threshold": number(0.2, 1.5),
        "r": draw(st.sampled_from([1.0, 2.5])),
        "reset": draw(st.sampled_from(["value", "subtract"])),
        "v_reset": draw(st.sampled_from([0.0, -0.2])),
        "v_min": draw(st.sampled_from([-np.inf, -0.4])),
    }
    values["strict"] = draw(st.booleans())
    special = draw(st.sampled_from(["", "", "", "delay", "several", "snntorch"]))
    if special == "snntorch":
        values |= {"reset": "subtract_snntorch"}
    elif special == "several" and kind is not ALIF:
        values |= {"several": True, "reset": "subtract"}
    elif special == "delay":
        values |= {"reset_delay": True}
    else:
        values |= {"refractory": refractory}
    if kind is IF:
        return IF(**values | {"r": number(20, 100)})
    values |= {"tau_mem": number(0.002, 0.05), "v_leak": draw(st.sampled_from([0.0, 0.1, -0.3]))}
    values |= {"integration": draw(st.sampled_from(["exact", "exponential_euler", "euler"]))}
    if kind is CubaLIF:
        values |= {"tau_syn": number(0.002, 0.02)}
    if kind is ALIF:
        values |= {"tau_adapt": number(0.01, 0.3), "beta": number(0.05, 0.5)}
    return kind(**values)


graded = (
    st.builds(
        LI,
        tau_mem=times(0.002, 0.05),
        v_leak=st.sampled_from([0.0, 0.2]),
        r=st.sampled_from([1.0, 2.0]),
        v_min=st.sampled_from([-np.inf, -0.1]),
    )
    | st.builds(CubaLI, tau_mem=times(0.002, 0.05), tau_syn=times(0.002, 0.05))
    | st.builds(Integrator, r=st.sampled_from([5.0, 50.0]))
    | st.just(Relay())
)
maybe_spiking = st.none() | spiking() | graded


@st.composite
def eprop_neuron(draw):
    kind = draw(st.sampled_from([IF, LIF, CubaLIF, ALIF, ALIF]))
    values = {"reset": "subtract", "v_threshold": draw(times(0.2, 0.8))}
    special = draw(st.sampled_from([{}, {"reset_delay": True}, {"refractory": 2 * DT}]))
    if kind is ALIF:
        values |= {"tau_adapt": draw(times(0.01, 0.3)), "beta": draw(times(0.05, 0.5))}
    return kind(r=20.0 if kind is IF else 2.0, **values, **special)
