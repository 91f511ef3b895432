"""A disk that is full in the middle of a file: every writer leaves the old file as it was, and nothing beside it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np
from snn_control.cli import main
from snn_control.controller import Controller
from snn_control.events import writing
from snn_control.events.hot_pixels import HotPixelMask, save_mask
from snn_control.files import replace_text
from snn_control.record.episode_recorder import EpisodeRecorder
from snn_control.record.run_folder import write_run
from snn_control.record.input_recorder import InputLogRecorder
from snn_control.report.video_file import VideoWriter
from snn_control.resources import shipped
from snn_control.training.algorithms.recipe_search import Search
from tests.events.recordings import some_events

folder = Path(sys.argv[1])
controller, events = Controller.load(shipped("cartpole")), some_events(3000)
rng = np.random.default_rng(0)
episode = EpisodeRecorder(["a"])
search = Search({"parameters": ["a"] * 9, "population": 30, "seed": 1})
search.tell(search.ask(), [1.0] * 30)
mask = HotPixelMask(rng.random((90, 90)) > 0.5, rng.integers(0, 9, (90, 90)), 1.0, 1.0)

def video(path):
    with VideoWriter(path, 20) as film:
        for _ in range(20):
            film.add(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8))

WRITERS = {
    "program.npz": controller.program.save,
    "state.npz": controller.save_state,
    "controller.yaml": lambda path: controller.program and write_controller(path),
    "data.npz": lambda path: write_run(path.parent, {}, {"t": rng.random(2000)}),
    "shown.npz": InputLogRecorder(controller.bound, 100).save,
    "episode.npz": lambda path: episode.save(path, {"text": "x" * 3000}),
    "events.npz": lambda path: writing.write_npz(path, lambda: [events], "us", 640, 480),
    "events.raw": lambda path: writing.write_raw(path, lambda: [events], 640, 480),
    "events.mcap": lambda path: writing.write_mcap(path, lambda: [events], 640, 480),
    "mask.npz": lambda path: save_mask(path, mask),
    "search.npz": search.save,
    "text.html": lambda path: replace_text(path, "x" * 3000),
    "new.yaml": lambda path: path.unlink() or main(["new", str(path)]) == 2 and write_old(path, OSError()),
    "film.gif": video,
}

def write_controller(path):
    from snn_control.controller_file import load_spec
    load_spec(shipped("cartpole")).save(path, "x" * 3000)

def write_old(path, error):
    assert not path.exists()
    path.write_text("old")
    raise error

limits = resource.getrlimit(resource.RLIMIT_FSIZE)
for name, write in WRITERS.items():
    path = folder / name
    path.write_text("old")
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        write(path)
        said = "nothing"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    print(name, "|", path.read_text() if path.stat().st_size == 3 else "changed", "|", said)
print("left", sorted(one.name for one in folder.iterdir() if one.name not in WRITERS))
"""


def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path):
    for module in ("av", "cma", "mcap", "matplotlib"):
        pytest.importorskip(module)
    line = [sys.executable, "-B", "-c", SCRIPT, str(tmp_path)]  # bytecode that does not fit would stay, cut
    found = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert found.returncode == 0, found.stderr
    *rows, left = found.stdout.splitlines()
    assert len(rows) == 14
    for row in rows:
        name, state, said = row.split(" | ")
        assert state == "old", row
        assert "File too large" in said or name == "new.yaml", row
        assert name != "film.gif" or "video = " in said
    assert left == "left []"
    assert "new.yaml: cannot be written: File too large" in found.stderr.replace("'", "").replace(" = ", ": ")
