"""The report page: self-contained, complete, and honest about what is missing."""

from __future__ import annotations

import base64
import html
import io
import platform
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from rich.console import Console

from snn_control import __version__
from snn_control.analysis.stimulus import default_stimulus
from snn_control.cli.demo_report import judged, stages_a_second
from snn_control.controller_file import load_spec
from snn_control.errors import RuntimeFault, counted
from snn_control.record import write_run
from snn_control.record.provenance import commit, machine, software
from snn_control.record.recorded_run import RecordedRun
from snn_control.report import print_summary, write_report
from snn_control.report.run_pictures import (
    PICTURES,
    Missing,
    draw,
    latency,
)
from snn_control.report.table import count, number, sections, verdict_kind
from snn_control.resources import shipped


class Page(HTMLParser):
    """Collects the images and whatever a browser would fetch from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.foreign: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action") and not (value or "").startswith("data:"):
                self.foreign.append(f"{tag} {name}={value}")
        if tag in ("link", "iframe"):
            self.foreign.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def png_size(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


@pytest.fixture(scope="module")
def record():
    spec = load_spec(shipped("cartpole"))
    return RecordedRun({}, default_stimulus(spec, 0.2).log, spec)


def test_a_full_run_gives_all_pictures_in_one_file(tmp_path, summary, arrays, record):
    path = write_report(write_run(tmp_path, summary, arrays), record)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert (path.name, page.foreign, page.open) == ("report.html", [], [])
    assert "@import" not in text
    assert "url(" not in text
    assert len(page.images) == len(PICTURES) == 4
    for key, image in zip(PICTURES, page.images, strict=True):
        assert len(image["alt"] or "") > 40
        data = base64.b64decode((image["src"] or "").partition(",")[2], validate=True)
        assert data == draw(key, summary, arrays).png, "the same run gives the same picture"
        width, height = png_size(data)
        assert width > 1500
        assert height > 250
    assert 'class="verdict pass"' in text
    assert 'class="missing"' not in text
    assert path.stat().st_size < 3_000_000
    for shown in ("1.42°", "best baseline: PID on true error 0.81°", "SCHED_FIFO 80", "12.4 M"):
        assert shown in text


def test_the_time_that_does_not_count_is_said_wherever_the_error_stands(tmp_path, summary, arrays):
    plain = draw("tracking", summary, arrays)
    summary["scored_from_s"] = 1.0
    picture = draw("tracking", summary, arrays)
    assert "root mean square, from 1 s on, of this controller" in picture.caption
    assert "is shaded and does not count" in picture.caption
    assert "Root mean square error, from 1 s on: spiking network 1.42°" in picture.alt
    text = write_report(write_run(tmp_path, summary)).read_text(encoding="utf-8")
    assert "tracking error, rms from 1 s on" in text
    assert "<h2>Tracking error, from 1 s on</h2>" in text
    assert "from 1 s" not in plain.caption + plain.alt
    before, after = (imread(io.BytesIO(p.png), format="png")[..., :3] for p in (plain, picture))
    changed = np.flatnonzero((before != after).any(axis=(0, 2)))
    assert before.shape == after.shape
    assert len(changed) > 50  # a band of the picture's width


def test_an_empty_run_gives_a_page_that_says_what_is_missing(tmp_path):
    text = write_report(write_run(tmp_path, {})).read_text(encoding="utf-8")
    page = Page(text)
    assert page.images == []
    assert text.count('class="missing"') == len(PICTURES) + 1
    assert "<strong>Network activity</strong>: left out, the run holds no record." in text
    assert 'id="record"' not in text
    assert "the run holds no array “frames”" in text


def test_a_replay_does_not_miss_what_no_replay_has(tmp_path):
    recording = {"recording": {"file": "a.raw"}}
    text = write_report(write_run(tmp_path, recording)).read_text(encoding="utf-8")
    assert text.count('class="missing"') == 2  # the record and the events
    assert not any(f"<strong>{name}</strong>" in text for name in ("The world", "Tracking", "Timing of the loop"))


def test_a_world_without_camera_and_target_misses_neither(tmp_path, summary, arrays, record):
    summary |= {"events": {}, "tracking": {"network": {"finished": 1.0}}, "about_the_pictures": "red: the robot",
                "world_steps": {"skipped": 3}, "about_the_world_steps": "Skipped: too late."}  # fmt: skip
    kept = {name: array for name, array in arrays.items() if not name.startswith(("event", "target"))}
    text = write_report(write_run(tmp_path, summary, kept), record).read_text(encoding="utf-8")
    assert 'class="missing"' not in text
    assert "6 pictures of the run: red: the robot." in text
    assert text.index("<h2>World steps</h2>") < text.index('<p class="note">Skipped: too late.</p>')
    assert text.index("<h2>Scores</h2>") < text.index('class="pairs"') < text.index("<h2>Run</h2>")


@pytest.mark.parametrize(
    ("key", "change", "reason"),
    [
        ("tracking", {"target": np.zeros((5, 2))}, "“target” has shape"),
        ("tracking", {"t": np.zeros(0)}, "“t” is empty"),
        ("camera", {"frames": np.zeros((8, 4, 4), np.uint8)}, "“frames” has shape"),
        ("latency", {"tick_edges_ns": np.arange(3)}, "“tick_edges_ns” has shape"),
    ],
)
def test_arrays_that_do_not_fit_leave_out_one_picture(summary, arrays, key, change, reason):
    with pytest.raises(Missing, match=reason):
        draw(key, summary, {**arrays, **change})


def test_parts_of_a_picture_may_be_missing(summary, arrays):
    kept = {name: arrays[name] for name in ("tick_edges_ns", "tick_counts")}
    assert (
        "Not in this run: wake-up after the deadline, sensor message to command." in draw("latency", {}, kept).caption
    )
    plain = {name: arrays[name][:1] for name in ("frames", "frame_t")}
    assert draw("camera", summary, plain).alt.startswith("1 picture of the run, from")


def test_text_of_the_run_cannot_become_markup(tmp_path, record):
    run = write_run(tmp_path, {"title": "<script>x</script>", "verdict": "FAIL & <b>"})
    text = write_report(run, record).read_text()
    assert "<script>x" not in text
    assert 'class="verdict fail"' in text
    assert "FAIL &amp; &lt;b&gt;" in text


def test_what_is_followed_may_have_any_axes_and_unit(tmp_path, summary, arrays):
    summary["tracking"] = {"network": {"rms_m": 0.021, "max_m": 0.3}, "PD": {"rms_m": 0.034}}
    arrays |= {"target": arrays["target"][:, :1], "head": arrays["head"][:, :1], "axis_names": np.array(["Cart"])}
    picture = draw("tracking", summary, arrays)
    assert picture.alt.startswith("Cart and tracking error over")
    assert "network 0.02 m; PD 0.03 m" in picture.alt
    assert "best baseline: PD 0.03 m" in write_report(write_run(tmp_path, summary)).read_text("utf-8")


@pytest.mark.parametrize("spread", [0.02, 0.5, 3.0])
def test_a_histogram_of_any_width_has_two_labelled_ticks_at_least(spread):
    edges = np.concatenate([np.arange(32), 32 * 2 ** (np.arange(0, 32 * 20) / 32)])
    sample = 2.4e4 * np.exp(spread * np.random.default_rng(1).uniform(-1, 1, 5000))
    arrays = {"tick_edges_ns": edges, "tick_counts": np.histogram(sample, edges)[0]}
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    latency(figure, {}, arrays)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    shown = [t for t, label in zip(axes.get_xticks(), axes.get_xticklabels()) if low <= t <= high and label.get_text()]
    assert len(shown) >= 2


def test_the_share_that_took_longer_is_that_of_the_samples(arrays):
    edges, counts = arrays["tick_edges_ns"], arrays["tick_counts"]
    figure = Figure()
    latency(figure, {}, {"tick_edges_ns": edges, "tick_counts": counts})
    line = next(line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-post")
    for time, share in zip(line.get_xdata()[::40], line.get_ydata()[::40]):
        assert share == pytest.approx(counts[edges[:-1] >= time * 1e3 * (1 - 1e-9)].sum() / counts.sum())


def test_the_page_says_where_and_with_what_a_run_was_made(tmp_path, summary):
    made = {"commit": commit(), "seeds": "world 7", **machine(), "rmw": "rmw_fastrtps_cpp"}
    tracking = {"rms_deg": 1.42, "lost_share": 0.0}
    stage = {"neurons": 82, "spikes": 2.0, "dense": 1000.0, "accumulates": 3.0, "multiply_accumulates": 7.0,
             "most": {"projections[a -> b]": 0.7}}  # fmt: skip
    asked = SimpleNamespace(unit="deg", closed=3.0, lost=25.0, scored_from=1.0)
    more = {"made": made, "criteria": judged(asked, tracking, 0.5),
            "stages": stages_a_second({"encoder": stage}, 1000.0),
            "about_the_stages": "what is said of them", "about_the_tracking": "said of the baselines",
            "about_the_criteria": "said of PASS", "about_the_loop": "said of p50",
            "versions": software("numpy", "no such package")}  # fmt: skip
    text = write_report(write_run(tmp_path, summary | more)).read_text()
    for value in made.values():
        assert f"<td>{html.escape(value)}</td>" in text
    assert platform.release() in made["kernel"]
    assert made["cores"].endswith("usable")
    table = next(s for s in sections(summary | more) if s.title == "Sparsity by stage")
    assert dict(table.rows) == {
        "neurons that spike": "82", "spikes [1/s]": "2,000", "active in a step": "2.44%",
        "accumulates (AC) [1/s]": "3,000", "multiply-accumulates (MAC) [1/s]": "7,000",
        "the same if nothing were skipped [1/s]": "1 M", "done of that": "1.00%", "most of it": "a -> b, 70%",
    }  # fmt: skip
    for said in ("what is said of them", "said of the baselines", "said of PASS", "said of p50"):
        assert text.count(said) == 1
    met = {name: one["met"] for name, one in more["criteria"].items()}
    assert met == {"error from 1 s on": True, "target lost": True, "a command in": False}
    assert more["versions"] == {"snn_control": __version__, "python": platform.python_version(),
                                "numpy": np.__version__, "no such package": "not found"}  # fmt: skip


def test_counts_in_the_open_bucket_alone_can_be_drawn():
    edges = np.concatenate([[0.0], np.geomspace(10, 1e8, 400), [np.inf]])
    counts = np.zeros(401, int)
    counts[-1] = 3
    latency(Figure(), {}, {"tick_edges_ns": edges, "tick_counts": counts})


def test_the_terminal_shows_what_the_page_shows(summary):
    console = Console(file=io.StringIO(), width=100, color_system=None)
    print_summary(summary, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert summary["verdict"] in text
    for section in sections(summary):
        assert section.title in text
        for row in section.rows:
            assert all(cell in text for cell in row)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (7, "7"), (20_000, "20,000"), (12.4e6, "12.4 M"), (0.81234, "0.812"), (0, "0")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_one_is_not_many():
    assert [count(n, "phase") for n in (0, 1, 3000)] == ["0 phases", "1 phase", "3,000 phases"]
    assert [counted(n, "phase") for n in (0, 1, 3000)] == ["0 phases", "1 phase", "3,000 phases"]


def test_odd_summaries_do_no_harm(tmp_path):
    odd = {
        "tracking": 3,
        "loop": [1],
        "network": None,
        "rights": {},
        "versions": "x",
        "verdict": None,
        "more": {"a": 1},
    }
    assert verdict_kind(odd) == "none"
    assert "a 1" in write_report(write_run(tmp_path, odd)).read_text()


def test_no_run_no_report(tmp_path):
    with pytest.raises(RuntimeFault, match=r"no summary\.json here"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_importing_the_report_imports_no_matplotlib():
    program = "import sys, snn_control.report; sys.exit(bool({'matplotlib', 'jinja2'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": ":".join(p for p in sys.path if p)})
