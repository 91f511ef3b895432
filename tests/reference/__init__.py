"""Reference implementations: every kernel, and a whole controller, in plain NumPy float32 scalars and Python loops.

A reference does the operations of its kernel in the same order and must give the same bits; NaNs count as equal.
`REFERENCES` maps a kernel's name to its reference and to a generator of random operands; `snn_control.testing` compares
them and has the pieces that the references of other packages need too. `SlowController` reads the descriptions
themselves and uses no Program. There is one file for each family of kernels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snn_control.testing import exponential, floats, slow
from tests.reference.coding import (
    argmax,
    argmax_case,
    changes,
    changes_case,
    fields,
    fields_case,
    first_spike,
    first_spike_case,
    guard,
    guard_case,
    population,
    population_case,
    population_vector,
    population_vector_case,
    signed,
    signed_case,
    squash,
    squash_case,
    stochastic,
    stochastic_case,
    stop,
    stop_case,
    temporal,
    temporal_case,
    trace,
    trace_case,
    window_counts,
    window_counts_case,
    window_mean,
    window_mean_case,
)
from tests.reference.controller import SlowController
from tests.reference.delivery import (
    add,
    clear,
    conv_graded,
    conv_spikes,
    convolution_case,
    copy_,
    csr_delayed,
    csr_delayed_case,
    csr_graded,
    csr_spikes,
    csr_spikes_case,
    csr_spikes_int8,
    csr_spikes_int8_case,
    dense_graded,
    dense_spikes,
    dense_spikes_case,
    dense_spikes_int8,
    dense_spikes_int8_case,
    gather_graded,
    graded_case,
    one_to_one_graded,
    release,
    release_case,
    remember,
    remember_case,
    sparse_graded_case,
    synapse,
    tile_graded,
)
from tests.reference.encoders import is_pulse
from tests.reference.filters import (
    background,
    background_case,
    cells_case,
    hot_pixels,
    hot_pixels_case,
    one_polarity,
    one_polarity_case,
    pool,
    rate_limit,
    rate_limit_case,
    refractory,
    refractory_case,
    region,
    region_case,
    respond,
    respond_case,
    surface,
    surface_case,
)
from tests.reference.inputs import credible, credible_case, finite, finite_case, sample, sample_case
from tests.reference.learning import eprop, eprop_case, pes, pes_case, reward_stdp, stdp, stdp_case
from tests.reference.neurons import (
    adex,
    adex_case,
    integrate_and_fire,
    integrate_and_fire_case,
    izhikevich,
    izhikevich_case,
    leaky_integrator,
    leaky_integrator_case,
)
from tests.reference.scalars import Operands, philox, uniforms

__all__ = ["REFERENCES", "SlowController", "exponential", "is_pulse", "philox", "slow", "uniforms"]

#: kernel -> (reference, random operands for a generator and a size)
REFERENCES: dict[str, tuple[Callable, Callable[[np.random.Generator, int], Operands]]] = {
    "check_sample": (sample, sample_case),
    "replace_not_finite": (finite, finite_case),
    "reject_implausible": (credible, credible_case),
    "population": (population, population_case),
    "fields": (fields, fields_case),
    "signed": (signed, signed_case),
    "changes": (changes, changes_case),
    "pool": (pool, cells_case),
    "surface": (surface, surface_case),
    "respond": (respond, respond_case),
    "region": (region, region_case),
    "hot_pixels": (hot_pixels, hot_pixels_case),
    "refractory": (refractory, refractory_case),
    "background": (background, background_case),
    "one_polarity": (one_polarity, one_polarity_case),
    "rate_limit": (rate_limit, rate_limit_case),
    "copy": (copy_, lambda rng, n: [n, floats(rng, n), floats(rng, n)]),
    "add": (add, lambda rng, n: [n, floats(rng, n), floats(rng, n)]),
    "clear": (clear, lambda rng, n: [n, floats(rng, n)]),
    "remember": (remember, remember_case),
    "dense_spikes": (dense_spikes, dense_spikes_case),
    "csr_spikes": (csr_spikes, csr_spikes_case),
    "dense_graded": (dense_graded, graded_case(one_to_one=False)),
    "one_to_one_graded": (one_to_one_graded, graded_case(one_to_one=True)),
    "dense_spikes_int8": (dense_spikes_int8, dense_spikes_int8_case),
    "csr_spikes_int8": (csr_spikes_int8, csr_spikes_int8_case),
    "csr_delayed": (csr_delayed, csr_delayed_case),
    "release": (release, release_case),
    "synapse": (synapse, lambda rng, n: [n, floats(rng, n), floats(rng, n), rng.random(1).astype(np.float32)]),
    "conv_spikes": (conv_spikes, convolution_case(graded=False)),
    "conv_graded": (conv_graded, convolution_case(graded=True)),
    "gather_graded": (gather_graded, sparse_graded_case("gather")),
    "tile_graded": (tile_graded, sparse_graded_case("tile")),
    "csr_graded": (csr_graded, sparse_graded_case("csr")),
    "integrate_and_fire": (integrate_and_fire, integrate_and_fire_case),
    "leaky_integrator": (leaky_integrator, leaky_integrator_case),
    "adex": (adex, adex_case),
    "izhikevich": (izhikevich, izhikevich_case),
    "stdp": (stdp, stdp_case(reward=False)),
    "reward_stdp": (reward_stdp, stdp_case(reward=True)),
    "pes": (pes, pes_case),
    "eprop": (eprop, eprop_case),
    "stochastic": (stochastic, stochastic_case),
    "temporal": (temporal, temporal_case),
    "trace": (trace, trace_case),
    "population_vector": (population_vector, population_vector_case),
    "window_counts": (window_counts, window_counts_case),
    "window_mean": (window_mean, window_mean_case),
    "first_spike": (first_spike, first_spike_case),
    "argmax": (argmax, argmax_case),
    "squash": (squash, squash_case),
    "stop": (stop, stop_case),
    "guard": (guard, guard_case),
}
