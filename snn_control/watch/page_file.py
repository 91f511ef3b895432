"""The live page in one HTML file, which plays the frames of a run without a server."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib import resources
from typing import Any

from ..record.recorded_run import RecordedRun
from ..record.run_folder import plain
from . import protocol
from .record_run import RecordRun

__all__ = ["Embedded", "PageParts", "embedded", "packed", "page_parts", "stored"]

MOST = 8 << 20  # characters of an embedded record; of a longer one the newest part is kept
MEMBRANES = 3 << 20  # bytes of all membranes in it
PAGE = resources.files(__package__) / "page"
IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)
OTHER = re.compile(r"^(import|export)\b|</script", re.MULTILINE)


@dataclass(frozen=True)
class Embedded:
    """A run for storage in a page: the scene as JSON, and the frames, compressed with gzip and encoded in base64."""

    scene: str
    record: str


@dataclass(frozen=True)
class PageParts:
    """The parts of the live page as HTML, CSS and JavaScript: the buttons at the top, the panels, and the dialogs."""

    style: str
    buttons: str
    panels: str
    over: str
    script: str


def page_parts() -> PageParts:
    """Return the parts of the live page, which a report can contain. They load no other files."""
    html = _text("index.html")
    buttons, rest = _between(html, '<span class="space"></span>', "</header>")
    panels, rest = _between(rest, "<main>", "</main>")
    return PageParts(_text("style.css"), buttons, panels, _between(rest, "", "</body>")[0], _script())


def _text(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _between(text: str, begin: str, end: str) -> tuple[str, str]:
    """Return the part of ``text`` between the strings ``begin`` and ``end``, and the part after ``end``."""
    inside, _, rest = text[text.index(begin) + len(begin) :].partition(end)
    return inside, rest


def _script() -> str:
    """Return all JavaScript modules of the page as one script.

    Each module becomes a function. The functions of the modules that it imports precede it.
    """
    texts = {one.name.removesuffix(".js"): _text(one.name) for one in PAGE.iterdir() if one.name.endswith(".js")}
    needs = {name: {other for _, other in IMPORT.findall(text)} for name, text in texts.items()}
    parts = ["const modules = {};"]
    for name in TopologicalSorter(dict(sorted(needs.items()))).static_order():
        text = EXPORT.sub(r"\1 \2", IMPORT.sub(r"const { \1 } = modules.\2;", texts[name]))
        assert not OTHER.search(text), f"{name}.js: an import or export of a form that is not converted"
        names = ", ".join(exported for _, exported in EXPORT.findall(texts[name]))
        parts.append(f"modules.{name} = (() => {{\n{text}\nreturn {{ {names} }};\n}})();")
    return "\n".join(parts)


def embedded(run: RecordedRun, title: str, **more: Any) -> Embedded:
    """Replay a run with `RecordRun`, and return its scene and frames for storage in a page.

    If the run is large, only its last frames are stored.

    more : further keys for the scene
    """
    source = RecordRun(run, title, membranes=MEMBRANES)
    frames, scene = _frames(source.data), source.scene() | more
    while len(record := packed(frames)) > MOST and len(frames) > 1:
        frames = _without(frames, min(len(frames) - 1, 1 + int(len(frames) * (1 - 0.95 * MOST / len(record)))))
    header, _ = protocol.decode(frames[0])
    begin, end = header["t"] - header["ticks"] * scene["period"], scene["from"] + scene["length"]
    if begin > scene["from"] + scene["period"]:
        part = f"this page holds the last {end - begin:.1f} s of {scene['length']:.1f} s"
        scene |= {"from": begin, "note": "; ".join(filter(None, (scene["note"], part)))}
    return stored(scene, record)


def stored(scene: Mapping[str, Any], record: str) -> Embedded:
    """Return a scene and frames for storage in a page. ``record`` is the text that `packed` made of the frames."""
    text = json.dumps(plain(scene, "scene"), separators=(",", ":"))
    return Embedded(text.replace("<", "\\u003c"), record)


def _frames(data: bytes) -> list[bytes]:
    frames, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        frames.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return frames


def packed(frames: Sequence[bytes]) -> str:
    """Return frames as text for storage in a page: each with its length before it, compressed, encoded in base64."""
    # level 9, the default, takes ten times as long, and saves 4 % of the page
    data = b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames)
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode("ascii")


def _without(frames: Sequence[bytes], first: int) -> list[bytes]:
    """Return the frames from index ``first`` on. The newest weights of earlier frames move to the first of these."""
    told: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for frame in frames[: first + 1]:
        header, arrays = protocol.decode(frame)
        for one in header.get("weights", ()):
            told[one["key"]], kept[one["key"]] = one, arrays[one["key"]]
    header["weights"] = list(told.values())
    return [protocol.encode(header, arrays | kept), *frames[first + 1 :]]
