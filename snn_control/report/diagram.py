"""The diagram of a controller: boxes and arrows, with the inputs on the left and the outputs on the right."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.synapses import sizes_of
from ..coding import ArgmaxDecoder, EventsInput
from ..controller_file import ControllerSpec
from ..engine.build.outputs import terms_of
from ..engine.program import Program
from ..network import Projection
from .decoders import times_of
from .kit import INK, MUTED, OUTPUT, colours_of, tint, with_unit
from .table import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Arrow", "Box", "boxes_and_arrows", "delay_text", "draw_diagram", "layers"]

BOX = (2.1, 0.98)  # width and height of a box [inch]
GAP = (1.6, 0.4)  # distance between two boxes
LETTER = 0.075  # approximate width of a letter at an arrow [inch]
LANE = 0.42  # height of the space for an arrow that passes a column
PALE = 0.88  # share of white in a tint on which black text is legible


@dataclass(frozen=True)
class Box:
    """An input, a population or an output in a diagram; ``fill`` is its background."""

    name: str
    lines: tuple[str, ...]
    colour: str
    fill: str = "white"


@dataclass(frozen=True)
class Arrow:
    """A projection or a decoder. A dashed arrow is a signal for a learning rule at ``end``, or a stop of an output."""

    start: str
    end: str
    text: str
    dashed: bool = False


def boxes_and_arrows(spec: ControllerSpec, program: Program) -> tuple[list[Box], list[Arrow]]:
    """Return the boxes and arrows of a controller.

    A box has the name of its input or population; outputs have ``> name``.
    """
    boxes, colours, sizes = [], colours_of(spec), sizes_of(program)
    for one in spec.inputs:
        encoder = getattr(one, "encoder", None)
        size: Any = getattr(one, "size", 0)
        what = f"{size[0]} × {size[1]} px" if isinstance(one, EventsInput) else count(size)
        lines = [f"{what}, {type(encoder).__name__.removesuffix('Encoder').lower()}" if encoder else what]
        neuron = getattr(encoder, "neuron", None)
        stops = {"nonzero": "stops if not 0", "zero": "stops if 0"}.get(getattr(one, "stop_when", ""))
        kind = f"{number(sizes.get(one.name, 0))} {type(neuron).__name__ if neuron else 'graded'}"
        lines.append(stops or kind)
        if filters := _filters(one):
            lines.insert(1, textwrap.shorten(f"filters: {filters}", 38, placeholder=" …"))
        boxes.append(Box(one.name, tuple(lines), colours[one.name], tint(colours[one.name], PALE)))
    for p in spec.network.populations:
        boxes.append(Box(p.name, (f"{number(int(p.size))} {type(p.neuron).__name__}",), colours[p.name]))
    arrows, teachers = [], []  # from each error or reward to the target of the projection that learns from it
    for projection, facts in zip(spec.network.projections, program.facts.projections, strict=True):
        text, rule = delay_text(projection, spec.dt), projection.learning
        text = f"{number(facts.used)} syn." + (f", {text} ms" if text != "0" else "")
        if rule is not None:
            text += f"\nlearns: {type(rule).__name__}"
            teachers += [Arrow(getattr(rule, key), projection.post, key, dashed=True) for key in rule.signals()]
        arrows.append(Arrow(projection.pre, projection.post, text))
    arrows = _merged(arrows) + list(dict.fromkeys(teachers))
    stopping = [one.name for one in spec.inputs if getattr(one, "stop_when", "")]
    arrows += [Arrow(name, f"> {o.name}", "stops", dashed=True) for name in stopping for o in spec.outputs]
    for o in spec.outputs:
        terms = terms_of(o)
        lines = [with_unit(count(o.size), o.unit), "decoded, squashed" if o.squash else "decoded"]
        if isinstance(o.decoder, ArgmaxDecoder):
            lines = [f"one of {o.decoder.actions} actions", "arg-max"]
        boxes.append(Box(f"> {o.name}", tuple(lines), OUTPUT, tint(OUTPUT, PALE)))
        for source in dict.fromkeys(t.source for t in terms):
            texts = [f"{sign} {time * 1e3:g} ms" for t in terms if t.source == source for sign, time in times_of(t)]
            arrows.append(Arrow(source, f"> {o.name}", ", ".join(dict.fromkeys(texts)) or "membrane"))
    return boxes, arrows


def delay_text(p: Projection, dt: float) -> str:
    """Return a projection's delay in ms as text, rounded to steps; if synapses differ, smallest to largest delay."""
    steps = np.rint(np.asarray(p.delay, np.float64) / dt)
    ends = [f"{float(end) * dt * 1e3:g}" for end in (steps.min(), steps.max())] if steps.size else ["0"]
    return " to ".join(dict.fromkeys(ends))


def _filters(one: Any) -> str:
    """Return the names of the filters of an input, in order, as a text: region, hot pixels."""
    names = [type(f).__name__ for f in getattr(one, "filters", ())]
    return ", ".join(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in names)


def _merged(arrows: Sequence[Arrow], most: int = 4) -> list[Arrow]:
    """Merge all projections between two populations into one arrow."""
    texts: dict[tuple[str, str], list[str]] = {}
    for a in arrows:
        texts.setdefault((a.start, a.end), []).append(a.text)
    return [
        Arrow(*ends, "\n".join(each[:most]) + (f"\n+ {len(each) - most} more" if len(each) > most else ""))
        for ends, each in texts.items()
    ]


def layers(names: Sequence[str], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Return name -> column of its box, which is one more than the last column of its sources.

    Outputs are in the last column. An arrow that would close a cycle is ignored, so it leads back to an earlier column.
    """
    targets = {name: [a.end for a in arrows if a.start == name and a.end != name] for name in names}
    order: list[str] = []
    seen: dict[str, str] = {}  # name -> "open" or "done"
    back: set[tuple[str, str]] = set()

    def visit(name: str) -> None:
        seen[name] = "open"
        for target in targets[name]:
            if seen.get(target) == "open":
                back.add((name, target))
            elif target not in seen:
                visit(target)
        seen[name] = "done"
        order.append(name)

    for name in names:
        if name not in seen:
            visit(name)
    column = dict.fromkeys(names, 0)
    for name in reversed(order):
        for target in targets[name]:
            if (name, target) not in back:
                column[target] = max(column[target], column[name] + 1)
    last = 1 + max((c for name, c in column.items() if not name.startswith("> ")), default=0)
    return {name: last if name.startswith("> ") else c for name, c in column.items()}


def _routes(names: Sequence[str], arrows: Sequence[Arrow]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the places in each column, and for each arrow the places that it passes through from left to right.

    A place is a box or, if an arrow passes a column, a lane for it there, so that no arrow crosses a box (Sugiyama,
    Tagawa and Toda 1981, IEEE Trans. Syst. Man Cybern. 11:109). An arrow from a box to itself has no route.
    """
    column = layers(names, arrows)
    columns: list[list[str]] = [[] for _ in range(max(column.values()) + 1)]
    for name in names:
        columns[column[name]].append(name)
    routes = []
    for k, arrow in enumerate(arrows):
        first, last = sorted((arrow.start, arrow.end), key=lambda name: column[name])
        between = range(column[first] + 1, column[last])
        for c in between:
            columns[c].append(f"~{k}.{c}")
        routes.append([] if first == last else [first, *(f"~{k}.{c}" for c in between), last])
    rank: dict[str, float] = {}
    for sweep in range(6):  # order each column by the means of its neighbours on one side, alternating the direction
        for here in columns if sweep % 2 == 0 else columns[::-1]:
            step = 1 if sweep % 2 == 0 else -1
            beside: dict[str, list[float]] = {place: [] for place in here}
            for route in (r[::step] for r in routes):
                for before, place in pairwise(route):
                    if place in beside and before in rank:
                        beside[place].append(rank[before])
            own = {place: k for k, place in enumerate(here)}
            here.sort(key=lambda p: sum(beside[p]) / len(beside[p]) if beside[p] else rank.get(p, own[p]))
            rank |= {place: k - (len(here) - 1) / 2 for k, place in enumerate(here)}
    return columns, routes


def _places(columns: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Return the centre of each box and lane, (x, y) [inch]; every column is centred."""
    found = {}
    for c, here in enumerate(columns):
        heights = [LANE if place.startswith("~") else BOX[1] + GAP[1] for place in here]
        y = sum(heights) / 2
        for place, height in zip(here, heights):
            found[place] = (c * (BOX[0] + GAP[0]), y - height / 2)
            y -= height
    return found


def _ports(
    routes: Sequence[Sequence[str]], place: dict[str, tuple[float, float]]
) -> tuple[dict[tuple[int, str, int], float], list[float]]:
    """Return the heights at which arrows meet boxes, and the position of each arrow's label along its gap.

    Heights are a dictionary (arrow, box, side) -> height, where the side is -1 for left and 1 for right; they have the
    order of the arrows' other ends. Positions of labels are chosen such that labels of neighbours do not overlap.
    """
    meets: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for k, route in enumerate(routes):
        if route:
            meets.setdefault((route[0], 1), []).append((place[route[1]][1], k))
            meets.setdefault((route[-1], -1), []).append((place[route[-2]][1], k))
    heights, shares = {}, [0.5] * len(routes)
    for (box, side), those in meets.items():
        step = min(0.3, 0.85 * BOX[1] / len(those))
        for i, (_, k) in enumerate(sorted(those, reverse=True)):
            heights[k, box, side] = place[box][1] + step * ((len(those) - 1) / 2 - i)
            if side == 1 and len(those) > 1:
                shares[k] = (0.3, 0.68)[i % 2]
    return heights, shares


def draw_diagram(figure: Figure, spec: ControllerSpec, program: Program) -> tuple[str, str]:
    """Draw boxes and arrows, and return caption and alternative text."""
    boxes, arrows = boxes_and_arrows(spec, program)
    columns, routes = _routes([b.name for b in boxes], arrows)
    place = _places(columns)
    loops = {a.start for a in arrows if a.start == a.end}
    top = max(y + BOX[1] / 2 + (0.95 if name in loops else 0) for name, (_, y) in place.items()) + 0.2
    bottom = min(y for _, y in place.values()) - BOX[1] / 2 - 0.2
    width = (len(columns) - 1) * (BOX[0] + GAP[0]) + BOX[0] + 0.4
    figure.set_size_inches(width, top - bottom)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-BOX[0] / 2 - 0.2, width - BOX[0] / 2 - 0.2), ylim=(bottom, top))
    axes.axis("off")
    ports, shares = _ports(routes, place)
    for k, (arrow, route) in enumerate(zip(arrows, routes)):
        if route:
            _arrow(axes, arrow, _points(k, route, place, ports), shares[k], back=route[0] == arrow.end)
        else:
            _loop(axes, arrow, place[arrow.start])
    for b in boxes:
        _box(axes, b, place[b.name])
    said = "; ".join(f"{a.start} to {a.end.removeprefix('> ')}" for a in arrows)
    caption = (
        "Tinted: inputs with their encoders; white: populations; grey: outputs. An input or population has this colour "
        "in every picture. At an arrow: synapses and delay of a projection (none: it arrives in the same step), time "
        "constants of a decoder."
    )
    if filters := [f"{one.name}: {_filters(one)}" for one in spec.inputs if _filters(one)]:
        caption += f" Filters of {'; '.join(filters)}."
    if any(a.dashed and a.end.startswith("> ") for a in arrows):
        caption += " Dashed, to an output: an input that stops the commands."
    if any(a.dashed and not a.end.startswith("> ") for a in arrows):
        caption += " Dashed: the error or reward that a learning rule follows, at the target of its projection."
    return caption, f"Graph of the controller: {said}."


def _box(axes: Axes, b: Box, centre: tuple[float, float]) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = centre
    style = "round,pad=0,rounding_size=0.09"
    corner = (x - BOX[0] / 2, y - BOX[1] / 2)
    axes.add_patch(FancyBboxPatch(corner, *BOX, boxstyle=style, fc=b.fill, ec=b.colour, lw=1.8, zorder=3))
    lines = [b.name.removeprefix("> "), *b.lines]
    step = 0.26 if len(lines) < 4 else 0.21
    for k, line in enumerate(lines):
        size, weight, colour = (11, "normal", MUTED) if k else (13, "bold", INK)
        axes.text(x, y + step * ((len(lines) - 1) / 2 - k), line, ha="center", va="center", zorder=4, color=colour,
                  fontsize=size * 22 / max(22, len(line)), fontweight=weight)  # fmt: skip


def _points(
    k: int, route: Sequence[str], place: dict[str, tuple[float, float]], ports: dict[tuple[int, str, int], float]
) -> list[tuple[float, float]]:
    """Return an arrow's points from left to right: the edge of a box, both ends of each lane, the edge of a box."""
    half = BOX[0] / 2
    points = [(place[route[0]][0] + half, ports[k, route[0], 1])]
    for lane in route[1:-1]:
        points += [(place[lane][0] - half, place[lane][1]), (place[lane][0] + half, place[lane][1])]
    return [*points, (place[route[-1]][0] - half, ports[k, route[-1], -1])]


def _arrow(axes: Axes, arrow: Arrow, points: list[tuple[float, float]], share: float, back: bool) -> None:
    """Draw an arrow along ``points``. Its label is in the first lane; without a lane, at ``share`` of the way."""
    from matplotlib.path import Path

    (x0, y0), (x1, y1) = points[:2]
    x, y = (1.5 * share * (1 - share) + share**3, share * share * (3 - 2 * share))  # point at t = share
    half = LETTER * max(map(len, arrow.text.split("\n"))) / 2 + 0.05  # so that no label covers a box
    beside = min(max(x0 + x * (x1 - x0), x0 + half), max(x1 - half, (x0 + x1) / 2))
    label = (x1 + BOX[0] / 2, y1) if len(points) > 2 else (beside, y0 + y * (y1 - y0))
    points = points[::-1] if back else points
    vertices, codes = [points[0]], [int(Path.MOVETO)]
    for (xa, ya), (xb, yb) in pairwise(points):
        middle = (xa + xb) / 2
        vertices += [(middle, ya), (middle, yb), (xb, yb)]
        codes += 3 * [int(Path.CURVE4)]
    colour = OUTPUT if arrow.end.startswith("> ") else MUTED
    _add_arrow(axes, arrow, label, colour, path=Path(vertices, codes), zorder=1)


def _loop(axes: Axes, arrow: Arrow, centre: tuple[float, float]) -> None:
    x, top = centre[0], centre[1] + BOX[1] / 2
    ends = {"posA": (x - 0.45, top), "posB": (x + 0.45, top), "connectionstyle": "arc3,rad=-0.9"}
    _add_arrow(axes, arrow, (x, top + 0.62), MUTED, **ends)


def _add_arrow(axes: Axes, arrow: Arrow, label: tuple[float, float], colour: str, **way: Any) -> None:
    """Draw the line of an arrow with its head, and its text at ``label``."""
    from matplotlib.patches import FancyArrowPatch

    line = (0, (4, 2.5)) if arrow.dashed else "-"
    axes.add_patch(FancyArrowPatch(arrowstyle="-|>", mutation_scale=13, lw=1.4, ls=line, color=colour, shrinkA=0,
                                   shrinkB=0, **way))  # fmt: skip
    axes.text(*label, arrow.text, ha="center", va="center", fontsize=10, color=MUTED, zorder=2,
              bbox={"facecolor": "white", "lw": 0, "pad": 1.2})  # fmt: skip
