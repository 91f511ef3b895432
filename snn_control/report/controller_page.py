"""Draw pictures of a controller, and write a page that shows them and plays a run with a stimulus."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.bounds import driven
from ..analysis.diagnosis import Health, diagnose, neurons_of
from ..analysis.probe import Activity, probe
from ..analysis.stimulus import Stimulus
from ..analysis.synapses import sizes_of
from ..coding import EventsInput, Input
from ..controller import build_program
from ..controller_file import ControllerSpec, nearest
from ..controller_file.names import number_names
from ..engine import registry
from ..engine.program import Program
from ..errors import DescriptionError
from ..files import replace_file, replace_text, writing
from ..network import Projection
from ..record.recorded_run import RecordedRun
from ..watch.colours import colours_of
from ..watch.page_file import embedded
from .connections import Synapses, draw_weights, span, synapses_of, vary
from .curves import draw_f_i, draw_tuning, same_models
from .decoders import draw_decoders
from .kit import Picture, paint
from .page import Omitted, Page
from .raster import draw_raster
from .table import Section, count, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ControllerPage", "View", "views", "write_controller_page"]

Text = tuple[str, str]  # caption and alternative text of a picture

PAGE, HEAD = "index.html", 100_000  # number of first characters that contain the page's list of files
ROWS = 6  # maximum number of projections in one picture
MOST_SYNAPSES = 5_000_000  # maximum number in a projection whose weights are drawn


@dataclass(frozen=True)
class View:
    """One picture of a controller, before it is drawn.

    name : name of the picture's file without the suffix; it begins with the kind of the picture
    line : description of the picture in one line
    fill : function that draws the picture into a figure
    """

    name: str
    title: str
    line: str
    fill: Callable[[Figure], Text]

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]


@dataclass(frozen=True)
class ControllerPage:
    """Result of `write_controller_page`: path of the page, view and file of each picture, and findings."""

    page: Path
    files: list[tuple[View, Path]]
    health: Health


def views(spec: ControllerSpec, program: Program, synapses: Sequence[Synapses | None]) -> list[View]:
    """Return a `View` for each picture that can be drawn of a controller.

    synapses : the synapses of each projection; None for a projection with too many synapses to draw
    """
    sizes, spiking, colours = sizes_of(program), set(program.facts.spiking), colours_of(spec)
    found: list[View] = []
    models = same_models({name: model for name, (_, model) in neurons_of(spec).items() if name in spiking})
    if models:
        line = f"rate against constant current, {count(len(models), 'neuron model')}"
        fill = partial(draw_f_i, groups=models, dt=spec.dt, colours=colours, driven=driven(spec, sizes))
        found.append(View("f_i", "Rate against current", line, fill))
    found += [view for one in spec.inputs if (view := _encoder(spec, one)) is not None]
    found += _weights([s for s in synapses if s is not None and vary(s)], colours)
    line = f"decoder weights of {', '.join(o.name for o in spec.outputs)}"
    found.append(View("decoders", "Decoders", line, partial(draw_decoders, spec=spec, sizes=sizes)))
    return found


def _raster(spec: ControllerSpec, activity: Activity) -> list[View]:
    if not any(one.spiking for one in activity.populations.values()):
        return []
    fill = partial(draw_raster, activity=activity, spec=spec, colours=colours_of(spec))
    return [View("raster", "Inputs, spikes, commands", f"activity in {activity.stimulus.text}", fill)]


def _encoder(spec: ControllerSpec, one: Input) -> View | None:
    """Return the picture that the lowering of an input's encoder declares, or its tuning curves, or None."""
    lowering = registry.lowering("encoders", type(getattr(one, "encoder", None)))
    if lowering is None or (not lowering.drawing and (lowering.pulse or lowering.events)):
        return None
    draw: Any = resolve_name(lowering.drawing) if lowering.drawing else draw_tuning
    names = number_names(spec, one)
    title, line = "tuning curves", f"response of each neuron of {one.name} over its range"
    if lowering.events:
        title, line = "receptive fields", f"receptive fields of {one.name}, and their response to an example"
    return View(f"tuning-{one.name}", f"Input {one.name}: {title}", line, lambda f: draw(f, one, spec.dt, names))


def _weights(drawn: Sequence[Synapses], colours: dict[str, str]) -> list[View]:
    """Return views of the weights of all projections, with up to `ROWS` projections in each picture."""
    found = []
    for k, part in enumerate([drawn[k : k + ROWS] for k in range(0, len(drawn), ROWS)], 1):
        name = "weights" if len(drawn) <= ROWS else f"weights-{k}"
        line = f"distributions of weights, delays and degrees of {', '.join(s.title for s in part)}"
        fill = partial(draw_weights, projections=part, colours=colours)
        found.append(View(name, "Weights, delays, degrees", line, fill))
    return found


def few_synapses(spec: ControllerSpec, program: Program) -> list[Synapses | None]:
    """Return the synapses of each projection; None for a projection with too many synapses to draw."""
    sizes, pairs = sizes_of(program), zip(spec.network.projections, program.facts.projections, strict=True)
    return [synapses_of(p, sizes, spec.dt) if f.synapses <= MOST_SYNAPSES else None for p, f in pairs]


def choose(found: Sequence[View], only: Sequence[str]) -> list[View]:
    """Return the views whose name or kind of picture is in ``only``; all views if ``only`` is empty."""
    known = list(dict.fromkeys([*(v.kind for v in found), *(v.name for v in found)]))
    for name in only:
        if name not in known:
            raise DescriptionError("--only", name, "is not a picture of this controller", nearest(name, known))
    return [v for v in found if not only or v.name in only or v.kind in only]


def write_controller_page(
    spec: ControllerSpec,
    stimulus: Stimulus,
    folder: str | Path,
    *,
    suffix: str = "png",
    only: Sequence[str] = (),
    title: str = "Controller",
) -> ControllerPage:
    """Draw a controller. Write its pictures, and a page ``index.html`` with all pictures, into a folder.

    Pictures of earlier calls that the present call does not draw are removed, unless somebody has changed them. All
    pictures are drawn before the first file is written. Each file is written completely or not at all, and the page is
    written last.

    Raises
    ------
    DescriptionError : an unknown name in ``only``, or a folder that cannot be created
    RuntimeFault : matplotlib or Jinja2 is not installed
    """
    program, folder = build_program(spec), Path(folder)
    activity = probe(program, stimulus)
    synapses = few_synapses(spec, program)
    chosen = choose([*views(spec, program, synapses), *_raster(spec, activity)], only)
    pictures = [(view, paint(view.title, view.fill, suffix)) for view in chosen]
    health = diagnose(spec, activity)
    written = {f"{view.name}.{suffix}": _mark(picture.files[suffix]) for view, picture in pictures}
    page = _page(title, spec, activity, health, [picture for _, picture in pictures], synapses)
    live, listed = embedded(RecordedRun({}, stimulus.log, spec), title), " ".join(map(":".join, written.items()))
    html = replace(page, live=live, files=listed).html()
    with writing("--out", folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for view, picture in pictures:
            path = folder / f"{view.name}.{suffix}"
            replace_file(path, lambda file, data=picture.files[suffix]: file.write(data))  # type: ignore[misc]
            files.append((view, path))
        _remove_old(folder, written)
        replace_text(folder / PAGE, html)
    return ControllerPage(folder / PAGE, files, health)


def _mark(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _remove_old(folder: Path, written: Mapping[str, str]) -> None:
    """Remove the files that the folder's old page lists, except files changed since then, and files in ``written``."""
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
    activity: Activity,
    health: Health,
    pictures: Sequence[Picture],
    synapses: Sequence[Synapses | None],
) -> Page:
    program, stimulus = activity.program, activity.stimulus
    facts = program.facts
    neurons, used = sum(p.size for p in facts.populations), sum(p.used for p in facts.projections)
    spikes = sum(int(seen.spikes.sum()) for seen in activity.populations.values())
    tiles = [
        ("neurons", number(neurons), f"in {count(len(facts.populations), 'population')}"),
        ("synapses", number(used), f"in {count(len(facts.projections), 'projection')}"),
        ("tick", f"{spec.period * 1e3:g} ms", f"{program.steps} × {spec.dt * 1e3:g} ms"),
        ("spikes", f"{number(spikes / stimulus.seconds)}/s", stimulus.text),
        ("warnings", number(len(health.warnings())), "with this stimulus"),
    ]
    columns = ("population", "neurons", "rate [Hz]", "fastest [Hz]", "dead", "saturated")
    rows = []
    for name, p in zip(activity.populations, health.populations, strict=True):
        seen = [number(value) for value in (p.rate_hz, p.fastest_hz, p.dead, p.saturated)]
        rows.append((name, number(p.size), *(seen if p.spiking else ["graded", "", "", ""])))
    projections, omitted = [], []
    for one, f, s in zip(spec.network.projections, facts.projections, synapses, strict=True):
        ends, rule = f"{one.pre} → {one.post}", type(one.learning).__name__ if one.learning else ""
        projections.append((ends, number(f.used), span(s.weights) if s else "", _delay(one, spec.dt), rule))
        if s is None:
            omitted.append(Omitted(f"Weights of {ends}", f"{number(f.synapses)} are too many to look at"))
    said = f"{number(stimulus.seconds)} s of {stimulus.text}"
    inputs = tuple((one.name, *_words(one)) for one in spec.inputs)
    tables = [
        Section(f"Populations, {said}", columns, tuple(rows)),
        Section("Inputs", ("input", "size", "encoder", "filters", "stops the commands"), inputs),
    ]
    if projections:
        heads = ("projection", "synapses", "weights", "delay [ms]", "learns")
        tables.append(Section("Projections", heads, tuple(projections)))
    about = [said, f"digest {program.digest[:12]}"]
    notes = [str(one) for one in health.warnings()]
    return Page(title, about, tiles, [*pictures, *omitted], tables, notes=notes)


def _delay(p: Projection, dt: float) -> str:
    """Return the delay of a projection as text, in ms and rounded to steps; a range if the synapses' delays differ."""
    steps = np.rint(np.asarray(p.delay, np.float64) / dt)
    ends = [f"{float(end) * dt * 1e3:g}" for end in (steps.min(), steps.max())] if steps.size else ["0"]
    return " to ".join(dict.fromkeys(ends))


def _words(one: Any) -> tuple[str, str, str, str]:
    """Return four texts about an input: size, encoder type, filter types, and condition for stopping commands."""
    size = f"{one.size[0]} × {one.size[1]} px" if isinstance(one, EventsInput) else number(one.size)
    encoder, filters = getattr(one, "encoder", None), getattr(one, "filters", ())
    names = ", ".join(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(each).__name__).lower() for each in filters)
    stops = {"nonzero": "if not 0", "zero": "if 0"}.get(getattr(one, "stop_when", ""), "")
    return size, type(encoder).__name__.removesuffix("Encoder").lower() if encoder else "", names, stops
