"""Write the controller file from which training in an environment starts.

Inputs and outputs fit the environment's spaces, and the weights are random:

| space | as an observation | as an action |
|---|---|---|
| Box | eight Gaussian fields over the range of each number | one read-out neuron per number, squashed to the limits |
| Discrete, MultiDiscrete, MultiBinary | one field for each value | one read-out neuron per action; the largest wins |
| Tuple of such spaces, all of one shape | as for the single space | |
| Dict of such spaces | one input for each key; rows of events (KEY and KEY_count) drive cells | |

Nested parts, and keys that are not valid names, get other names (`snn_control.gym_adapter.flat`). Parts of other kinds,
such as text, are ignored.
"""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import yaml

from ...controller import build_program
from ...controller_file import parse_spec
from ...controller_file.reader import Loader
from ...gym_adapter.flat import flat_environment
from ...gym_adapter.period import stated_period
from ..environments.observation_statistics import actions_of, observe, ranges
from . import event_pictures
from .hidden_state import GAIN, left_by_the_past
from .space_parts import MAX_OBSERVATION_NUMBERS, SpaceInput, SpaceOutput, inputs_of, outputs_of

__all__ = ["STEPS", "starting_point"]

STEPS = 2000  # steps with random actions to measure ranges, and again with held ones
TICKS, BIAS = 4, 0.15  # network steps in a period; bias of a layer's neurons
LAYER, WIDE_LAYER, MANY = 64, 128, 16  # neurons of a layer; more of them if more than MANY numbers are observed
KEPT = 0.75  # share of the membrane that is left after a step
PAST = 2  # delay of past observations in periods, if they are needed
FIELDS, CUTOFF = 8, 0.01  # receptive fields of one number; share of its peak below which a field is 0
SIGMA = 0.4  # width of fields at whole numbers: neighbouring fields hardly overlap
GRID = 8  # columns and rows of a camera's cells
#: how strongly one number of an input drives a layer: sum of the squares of its fields, times sqrt(2)
DRIVE = {"numbers": 2.5, "choices": 1.4, "events": 32.0}


def starting_point(
    env: Any, command: str, environment: str, seed: int = 0, steps: int = STEPS,
    tell: Callable[[str], object] = lambda text: None,
) -> str:  # fmt: skip
    """Return the text of a controller file for a Gymnasium environment. Episodes are played to measure ranges.

    command : the command that makes the file, for the first line of the file
    environment : command-line options that name the environment, ``--env ID --arg KEY=VALUE``
    seed : seed of the weights, and of the first episode
    steps : number of steps with random actions, and number of further steps with constant actions
    tell : function that gets a sentence on whether past observations are needed

    Raises DescriptionError if a controller cannot have inputs or outputs for one of the environment's spaces.
    """
    env = flat_environment(env)
    (inputs, unseen), outputs = inputs_of(env.observation_space), outputs_of(env.action_space)
    period, says = stated_period(env)
    short = period <= event_pictures.SHORT and any(one.kind == "events" for one in inputs)
    ticks = 1 if short else TICKS
    measured = _measure(env, inputs, outputs, seed, steps)
    lines = [
        f"# Made by: {command}",
        "# A controller that is not trained: inputs and outputs fit the environment, weights are random. Next:",
        f"#   snn_control train THIS_FILE {environment}",
        f"#   snn_control run {environment} THIS_FILE",
        "version: 1",
        f"period: {period:.12g} # s, one step of the environment: {says}",
        f"dt: {period / ticks:.12g} # s, one step of the network, {ticks} per period",
        *_inputs_text(inputs, measured, period, short),
        *(f"  # not used: {key}: {_short(part)}" for key, part in unseen.items()),
    ]
    if short:
        lines += _pictures_text(inputs, outputs, period / ticks, seed)
    else:
        lines += _network_text(inputs, outputs, period / ticks, seed, _on_the_past(measured.left, tell))
    text = "\n".join([*lines, *_outputs_text(outputs, _readouts(inputs, outputs))]) + "\n"
    build_program(parse_spec(yaml.load(text, Loader)))  # check that the text can be built
    return text


class _Measured(NamedTuple):
    """Measurements of the observations in episodes of the environment.

    found : key of an observation of numbers -> low ends and high ends of the ranges, flags of the measured ranges, and
        whether all numbers were finite
    says : a comment for the file that explains the measurement of the ranges
    left : see `left_by_the_past`
    """

    found: dict[str | None, tuple[np.ndarray, np.ndarray, np.ndarray, bool]]
    says: str = ""
    left: float | None = None


def _measure(
    env: Any, inputs: Sequence[SpaceInput], outputs: Sequence[SpaceOutput], seed: int, steps: int
) -> _Measured:
    numbers = [one for one in inputs if one.kind == "numbers"]
    if not numbers:
        return _Measured({})
    actions = actions_of(env.action_space, outputs[0].limits)
    seen, played, last = observe(env, {one.key: one.size for one in numbers}, actions, steps, seed)
    found = {one.key: (*ranges(one.low, one.high, seen[one.key]), seen[one.key].finite) for one in numbers}
    found |= {one.key: (one.low, one.high, np.zeros(one.size, bool), True) for one in numbers if one.picture}
    says = (
        f"measured: the values of {steps:,} steps with random actions and {steps:,} with constant actions (episodes "
        f"with the seeds {seed} to {last - 1}), a tenth wider, or more if the space has bounds. Numbers beyond a "
        "range are clamped; training widens it where a controller gets further"
    )
    observations = np.concatenate([seen[one.key].random for one in numbers], axis=1)
    return _Measured(found, says, left_by_the_past(observations, played.actions, played.first))


def _inputs_text(inputs: Sequence[SpaceInput], measured: _Measured, period: float, short: bool) -> list[str]:
    found = measured.found
    head = comment(measured.says, 2) if any(one[2].any() for one in found.values()) else []
    lines = ["", "inputs:", *head]
    for one in inputs:
        lines.append(f"  {one.name}: # {_short(one.space)}")
        if one.kind == "events":
            lines += _camera_text(one, period, short)
        else:
            lines += _choices_text(one) if one.kind == "choices" else _numbers_text(one, *found[one.key])
    return lines


def _short(space: Any) -> str:
    text = re.sub(" at 0x[0-9a-f]+", "", str(space))  # the same in each process
    return textwrap.shorten(text.replace("[ ", "[").replace(" ]", "]"), 90, placeholder=" ...")


def _numbers_text(one: SpaceInput, low: np.ndarray, high: np.ndarray, measured: np.ndarray, finite: bool) -> list[str]:
    lines = ["    kind: value", f"    size: {one.size}"]
    lines += [*comment(f"range: {_whose(measured)}"), *wrapped("range", pair(low, high))]
    if not finite:
        lines.append("    not_finite: high # some numbers were not finite: they become the high end of the range")
    encoder = f"{{type: population, neurons: {FIELDS}, drive: 1, cutoff: {CUTOFF}}} # Gaussian fields over the range"
    return [*lines, f"    encoder: {encoder}"]


def _whose(measured: np.ndarray) -> str:
    """Return a comment for the file that names the source of a range: the environment's bounds, or measurements."""
    if not measured.any():
        return "from the space"
    why = "the space has no bounds, or far wider bounds"
    if measured.all():
        return f"measured, {why}"
    which = ", ".join(map(str, np.flatnonzero(measured)[:20].tolist())) + (", ..." if measured.sum() > 20 else "")
    return f"from the space, but measured for [{which}]: {why}"


def _choices_text(one: SpaceInput) -> list[str]:
    """Return the lines of an input with discrete values, whose receptive fields have whole numbers as centres.

    All elements of the input have equally many fields, so some fields may lie beyond the values of an element.
    """
    n, most = max(2, int((one.high - one.low).max()) + 1), max(FIELDS, MAX_OBSERVATION_NUMBERS // one.size)
    ends, says = f"sigma: {SIGMA}, ", "one field per value"
    if one.size > 1:
        ends = f"low: {flow(one.low)}, high: {flow(one.low + n - 1)}, " + ends
    if n > most:
        n, ends, says = most, "", "fewer fields than values: neighbouring values share them"
    return [
        "    kind: value",
        f"    size: {one.size}",
        *wrapped("range", pair(one.low, np.maximum(one.high, one.low + 1))),
        *comment(says),
        *wrapped("encoder", f"{{type: population, neurons: {n}, {ends}drive: 1, cutoff: {CUTOFF}}}"),
    ]


def _camera_text(one: SpaceInput, period: float, short: bool) -> list[str]:
    width, height = _size(one)
    most = event_pictures.GRID if short else GRID
    grid, tau = [min(most, width), min(most, height)], max(0.02, 4 * period)
    encoder = f"{{type: surface, grid: {grid}, tau: {tau:.4g}, polarity: split}} # cells are 1 at an event and decay"
    if short:
        encoder = f"{{type: pool, grid: {grid}}} # events of a step, ON minus OFF"
    capacity = f"    capacity: {one.space.shape[0]}"
    return ["    kind: events", f"    size: [{width}, {height}]", capacity, f"    encoder: {encoder}"]


def _size(camera: SpaceInput) -> tuple[int, int]:
    width, height = (camera.high + 1).astype(int).tolist()
    return width, height


# the network -------------------------------------------------------------------------------------------------
def _free(inputs: Sequence[SpaceInput], name: str) -> str:
    """Return a name for a population, ``name`` or a variant, that differs from the names of all inputs."""
    while any(one.name == name for one in inputs):
        name += "_"
    return name


def _readouts(inputs: Sequence[SpaceInput], outputs: Sequence[SpaceOutput]) -> list[str]:
    return [_free(inputs, one.name.replace("action", "readout")) for one in outputs]


def _on_the_past(left: float | None, tell: Callable[[str], object]) -> str:
    """Return a comment on the past observations that the network reads; "" if it reads none. Tell the same.

    left : see `left_by_the_past`
    """
    if left is None:
        return ""
    reads = f"observations of {PAST} periods ago are read too" if left < GAIN else "past observations are not read"
    said = (
        f"{reads}: the past leaves {left:.0%} of the error of predicting the next one (hidden values: below {GAIN:.0%})"
    )
    tell(said)
    return said if left < GAIN else ""


def _network_text(
    inputs: Sequence[SpaceInput], outputs: Sequence[SpaceOutput], dt: float, seed: int, past: str
) -> list[str]:
    membrane = f"tau_mem: {-dt / math.log(KEPT):.9g}, r: {1 / (1 - KEPT):g}"
    first, second = (_free(inputs, name) for name in ("hidden_1", "hidden_2"))
    readouts = _readouts(inputs, outputs)
    layer = WIDE_LAYER if sum(one.size for one in inputs if one.kind == "numbers") > MANY else LAYER
    drive = sum(DRIVE[one.kind] * (1 if one.kind == "events" else one.size) for one in inputs)
    wires = [(one.name, first, 1.2 / math.sqrt(drive)) for one in inputs]
    wires.append((first, second, 0.6 / math.sqrt(0.25 * layer)))
    wires += [(second, name, 0.1 / math.sqrt(layer)) for name in readouts]
    seeds = itertools.count(1000 * seed)
    lines = [_projection(*wire, next(seeds)) for wire in wires]
    if past:
        lines += comment(past)
        more = f", delay: {PAST * TICKS * dt:.12g}"
        lines += [_projection(*wire, next(seeds), more) for wire in wires[: len(inputs)]]
    reads = f"neuron: {{type: li, {membrane}}}"
    hidden = f"{{size: {layer}, neuron: {{type: lif, {membrane}, reset: subtract}}, bias: {BIAS}}}"
    return [
        "",
        "network:",
        "  populations:",
        *comment(f"membranes keep {KEPT} of their value per step: tau_mem = -dt / ln {KEPT}, r = 1 / (1 - {KEPT})"),
        *(f"    {name}: {hidden}" for name in (first, second)),
        "    # leaky integrators do not spike: decoders read their membranes",
        *(f"    {name}: {{size: {one.neurons}, {reads}}}" for name, one in zip(readouts, outputs, strict=True)),
        "  projections: # from all neurons to all neurons",
        *lines,
    ]


def _pictures_text(inputs: Sequence[SpaceInput], outputs: Sequence[SpaceOutput], dt: float, seed: int) -> list[str]:
    cameras, most = [], event_pictures.GRID
    for one in inputs:
        if one.kind == "events":
            width, height = _size(one)
            cells = min(most, width) * min(most, height)
            cameras.append((one.name, cells, width * height / cells))
    readouts = zip(_readouts(inputs, outputs), (one.neurons for one in outputs), strict=True)
    layers = _free(inputs, "hidden_short"), _free(inputs, "hidden_long")
    numbers = [one.name for one in inputs if one.kind != "events"]
    return event_pictures.network_text(cameras, numbers, list(readouts), layers, dt, seed)


def _projection(pre: str, post: str, std: float, seed: int, more: str = "") -> str:
    weights = f"{{type: normal, mean: 0, std: {std:.4g}, seed: {seed}}}"
    return f"    - {{pre: {pre}, post: {post}, weights: {weights}{more}}}"


def _outputs_text(outputs: Sequence[SpaceOutput], readouts: Sequence[str]) -> list[str]:
    lines = ["", "outputs:"]
    for one, source in zip(outputs, readouts, strict=True):
        rows = "1" if one.neurons == 1 else str(np.eye(one.neurons, dtype=int).tolist())
        term = f"{{type: membrane, from: {source}, weights: {rows}}}"
        if one.limits is None:
            lines.append(f"  {one.name}: # the index of the largest membrane")
            lines += wrapped("decoder", f"{{type: argmax, actions: {one.neurons}, terms: [{term}]}}")
            continue
        low, high = one.limits
        lines += [f"  {one.name}:", f"    size: {one.neurons}", *wrapped("decoder", term)]
        lines += [*comment(f"limits: {one.whose}"), *wrapped("limits", pair(low, high))]
        if not ((low <= 0) & (high >= 0)).all():
            lines += wrapped("safe", flow((low + high) / 2))
        lines.append("    squash: true # into the limits by tanh; without it, commands are clamped")
    return lines


# numbers, comments and long lines ----------------------------------------------------------------------------------
def number(x: float) -> str:
    """Return the shortest text for a number.

    A number that is exactly a float32 gets only the digits that a float32 needs; others are rounded to nine digits.
    """
    short = float(str(np.float32(x)))
    x = (short if np.float32(x) == x else float(f"{x:.9g}")) + 0.0  # no -0
    return f"{x:g}" if float(f"{x:g}") == x and "e" not in f"{x:g}" else repr(x)


def flow(values: np.ndarray) -> str:
    """Return an (n,) array as a YAML list, e.g. ``[0.5, 1]``."""
    return f"[{', '.join(number(float(x)) for x in values)}]"


def pair(low: np.ndarray, high: np.ndarray) -> str:
    """Return the bounds of an input or output as the YAML text ``[low, high]``.

    ``low`` and ``high`` become single numbers if all their elements are equal, otherwise lists.
    """
    if (low == low[0]).all() and (high == high[0]).all():
        return f"[{number(float(low[0]))}, {number(float(high[0]))}]"
    return f"[{flow(low)}, {flow(high)}]"


def comment(text: str, indent: int = 4) -> list[str]:
    """Return a text as lines of a YAML comment, wrapped and indented."""
    start = " " * indent + "# "
    return textwrap.wrap(text, 116, initial_indent=start, subsequent_indent=start)


def wrapped(key: str, value: str) -> list[str]:
    """Return a key of an input or output and its value as lines of YAML of limited length."""
    return textwrap.wrap(
        f"{key}: {value}", 116, initial_indent="    ", subsequent_indent="      ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
