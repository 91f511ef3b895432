"""Everything there is to see of a controller before it runs on a robot: pictures, and one page that holds them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..analysis.diagnosis import Health, diagnose, neurons_of
from ..analysis.probe import Activity, probe
from ..analysis.reach import driven
from ..analysis.response import tuning
from ..analysis.stimulus import Stimulus
from ..analysis.synapses import sizes_of
from ..coding import EventsInput, LinearEncoder, PoolEncoder, SurfaceEncoder, ValueInput
from ..controller_file import ControllerSpec, nearest
from ..controller_file.names import number_names
from ..engine import registry
from ..engine.program import Program
from ..errors import DescriptionError
from ..files import replace_file, replace_text
from .canvas import Picture, paint
from .connections import draw_weights, synapses_of
from .curves import MOST_DIMENSIONS, draw_f_i, draw_linear, draw_pool, draw_tuning, same_models
from .decoders import draw_decoders
from .graph import delay_text, draw_graph
from .named import colours_of
from .page import inline, render
from .raster import draw_activity
from .table import Section, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Look", "View", "look", "views"]

PAGE, HEAD = "index.html", 100_000  # characters in which its list of files stands
ROWS = 6  # projections in one picture
MOST_SYNAPSES = 5_000_000  # of a projection whose weights are drawn


@dataclass(frozen=True)
class View:
    """One picture of a controller, not yet drawn.

    name : of its file, without the ending; begins with its kind
    line : what it shows, in one line
    """

    name: str
    title: str
    line: str
    fill: Callable[[Figure], tuple[str, str]]

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class Look:
    """What `look` wrote: the page, and each picture's view and file."""

    page: Path
    files: list[tuple[View, Path]]
    health: Health


def views(spec: ControllerSpec, program: Program, activity: Activity) -> list[View]:
    """All pictures there are of a controller."""
    sizes, spiking = sizes_of(program), set(program.facts.spiking)
    many = f"populations: {len(spec.network.populations)}, projections: {len(spec.network.projections)}"
    found = [View("graph", "What is connected to what", many, lambda f: draw_graph(f, spec, program))]
    models = same_models({name: model for name, (_, model) in neurons_of(spec).items() if name in spiking})
    if models:
        line = f"rate against constant current, {len(models)} neuron model{'s' if len(models) > 1 else ''}"
        most = driven(spec, sizes)
        found.append(
            View("f_i", "Rate against current", line, lambda f: draw_f_i(f, models, spec.dt, colours_of(spec), most))
        )
    for one in spec.inputs:
        if isinstance(one, EventsInput) and isinstance(one.encoder, PoolEncoder | SurfaceEncoder):
            line = f"receptive fields of {one.name}, and what they make of an example"
            found.append(View(f"tuning-{one.name}", f"Input {one.name}: receptive fields", line, _pool(one, spec.dt)))
        elif isinstance(one, ValueInput) and _has_a_curve(one):
            line = f"response of each neuron of {one.name} over its range"
            found.append(View(f"tuning-{one.name}", f"Input {one.name}: tuning curves", line, _tuning(one, spec)))
    found += _weights(spec, program, sizes)
    line = f"decoder weights of {', '.join(o.name for o in spec.outputs)}"
    found.append(View("decoders", "Decoders", line, lambda f: draw_decoders(f, spec, sizes)))
    line = f"spikes, membranes and commands, {activity.stimulus.text}"
    found.append(View("activity", "Activity", line, lambda f: draw_activity(f, spec, activity)))
    return found


def _has_a_curve(one: ValueInput) -> bool:
    """Whether its encoder gives the same for the same value."""
    lowering = registry.lowering("encoders", type(one.encoder))
    return lowering is not None and not lowering.pulse


def _pool(one: EventsInput, dt: float) -> Callable[[Figure], tuple[str, str]]:
    return lambda figure: draw_pool(figure, one, dt)


def _tuning(one: ValueInput, spec: ControllerSpec) -> Callable[[Figure], tuple[str, str]]:
    names = number_names(spec, one)
    if isinstance(one.encoder, LinearEncoder) and one.size > MOST_DIMENSIONS:
        return lambda figure: draw_linear(figure, one, names)
    return lambda figure: draw_tuning(figure, one, tuning(one, spec.dt), names)


def _too_large(spec: ControllerSpec, program: Program) -> list[tuple[str, int]]:
    """Projections whose weights nobody could look at, with their numbers of synapses."""
    pairs = zip(spec.network.projections, program.facts.projections, strict=True)
    return [(f"{p.pre} → {p.post}", f.synapses) for p, f in pairs if f.synapses > MOST_SYNAPSES]


def _weights(spec: ControllerSpec, program: Program, sizes: dict[str, int]) -> list[View]:
    """A picture for each few projections, of those that are not too large to look at."""
    pairs = zip(spec.network.projections, program.facts.projections, strict=True)
    projections = [p for p, f in pairs if f.synapses <= MOST_SYNAPSES]
    found = []
    for k in range(0, len(projections), ROWS):
        part = projections[k : k + ROWS]
        name = "weights" + (f"-{k // ROWS + 1}" if len(projections) > ROWS else "")
        line = f"weights, delays and degrees of {', '.join(f'{p.pre} → {p.post}' for p in part)}"

        def fill(figure: Figure, part: list = part) -> tuple[str, str]:
            return draw_weights(figure, [synapses_of(p, sizes, spec.dt) for p in part], colours_of(spec))

        found.append(View(name, "Weights, delays, degrees", line, fill))
    return found


def choose(found: Sequence[View], only: Sequence[str]) -> list[View]:
    """The views named in ``only``, by name or kind; all where it is empty."""
    known = list(dict.fromkeys([*(v.kind for v in found), *(v.name for v in found)]))
    for name in only:
        if name not in known:
            raise DescriptionError("--only", name, "is not a picture of this controller", nearest(name, known))
    return [v for v in found if not only or v.name in only or v.kind in only]


def look(
    spec: ControllerSpec,
    stimulus: Stimulus,
    folder: str | Path,
    *,
    suffix: str = "png",
    only: Sequence[str] = (),
    title: str = "Controller",
) -> Look:
    """Draw a controller and write the pictures and ``index.html``, which holds all of them, into a folder.

    Pictures that an earlier call wrote there and this one does not draw are removed, unless they were changed since.
    Everything is drawn before the first file is written; each file appears whole or not at all, the page last.

    Raises
    ------
    DescriptionError : a name in ``only`` that is not there, a folder that cannot be made
    RuntimeFault : matplotlib or Jinja2 is not installed
    """
    program, folder = spec.build(), Path(folder)
    activity = probe(program, stimulus)
    chosen = choose(views(spec, program, activity), only)
    pictures = [(view, paint(view.name, view.title, view.fill, suffix)) for view in chosen]
    health = diagnose(spec, activity)
    written = {f"{view.name}.{suffix}": _mark(picture.files[suffix]) for view, picture in pictures}
    html = _page(title, spec, program, activity, health, [picture for _, picture in pictures], written)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for view, picture in pictures:
            path = folder / f"{view.name}.{suffix}"
            replace_file(path, lambda file, data=picture.files[suffix]: file.write(data))  # type: ignore[misc]
            files.append((view, path))
        _remove_old(folder, written)
        replace_text(folder / PAGE, html)
    except OSError as error:
        raise DescriptionError("--out", str(folder), f"cannot be written: {error.strerror}") from None
    return Look(folder / PAGE, files, health)


def _mark(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _remove_old(folder: Path, written: Mapping[str, str]) -> None:
    """Remove what the page that stands there says was written with it, still is as it was, and is not written now."""
    try:
        head = (folder / PAGE).read_text(encoding="utf-8", errors="replace")[:HEAD]
    except OSError:
        return
    said = re.search(r'<meta name="snn_control-files" content="([^"]*)">', head)
    for name, mark in re.findall(r"([\w-]+\.(?:png|svg|pdf)):(\w{16})", said.group(1) if said else ""):
        path = folder / name
        if name not in written and path.is_file() and _mark(path.read_bytes()) == mark:
            path.unlink()


def _page(
    title: str,
    spec: ControllerSpec,
    program: Program,
    activity: Activity,
    health: Health,
    pictures: Sequence[Picture],
    written: Mapping[str, str],
) -> str:
    facts, stimulus = program.facts, activity.stimulus
    neurons = sum(p.size for p in facts.populations)
    synapses = sum(p.used for p in facts.projections)
    spikes = sum(int(seen.spikes.sum()) for seen in activity.populations.values())
    tiles = [
        ("neurons", number(neurons), f"in {len(facts.populations)} populations"),
        ("synapses", number(synapses), f"in {len(facts.projections)} projections"),
        ("tick", f"{spec.period * 1e3:g} ms", f"{program.steps} × {spec.dt * 1e3:g} ms"),
        ("spikes", f"{number(spikes / stimulus.seconds)}/s", stimulus.text),
        ("warnings", number(len(health.warnings())), "with this stimulus"),
    ]
    columns = ("population", "neurons", "rate [Hz]", "fastest [Hz]", "dead", "saturated")
    rows = []
    for name, p in zip(activity.populations, health.populations, strict=True):
        seen = (p.rate_hz, p.fastest_hz, p.dead, p.saturated)
        rows.append(
            (name, number(p.size), *([number(value) for value in seen] if p.spiking else ["graded", "", "", ""]))
        )
    projections = [
        (f"{p.pre} → {p.post}", number(f.used), delay_text(p, spec.dt))
        for p, f in zip(spec.network.projections, facts.projections, strict=True)
    ]
    tables = [Section(f"Populations, {number(stimulus.seconds)} s of {stimulus.text}", columns, tuple(rows))]
    if projections:
        tables.append(Section("Projections", ("projection", "synapses", "delay [ms]"), tuple(projections)))
    said = [f"{number(stimulus.seconds)} s of {stimulus.text}", f"digest {program.digest[:12]}"]
    shown = [inline(p) for p in pictures]
    for name, synapses in _too_large(spec, program):
        shown.append({"title": f"Weights of {name}", "missing": f"{number(synapses)} are too many to look at"})
    files = " ".join(f"{name}:{mark}" for name, mark in written.items())
    return render(title, said, tiles, shown, tables, notes=health.warnings(), files=files)
