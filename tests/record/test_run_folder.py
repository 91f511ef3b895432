"""Run folders: what was saved is read back, and nothing is ever half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from snn_control.errors import InputError, RuntimeFault
from snn_control.record import read_run, write_run
from snn_control.record.run_folder import companion, new_record, remove_record


def test_what_goes_in_comes_out(tmp_path):
    summary = {"title": "a µ run", "seed": np.int64(7), "loop": {"ticks": 3, "wakeup_us": {"p50": np.float32(1.5)}}}
    summary["list"] = [1, (2.5, None), np.array([True, False])]
    arrays = {
        "t": np.linspace(0, 1, 5),
        "names": np.array(["a", "bc"]),
        "unit": "rad/s",
        "frames": np.zeros((2, 3, 4, 3)),
    }
    folder = write_run(tmp_path / "deep" / "run", summary, arrays)
    back, data = read_run(folder)
    assert back["loop"] == {"ticks": 3, "wakeup_us": {"p50": 1.5}}
    assert (back["title"], back["seed"], back["list"]) == ("a µ run", 7, [1, [2.5, None], [True, False]])
    assert set(data) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(data[name], array)
    assert sorted(path.name for path in folder.iterdir()) == ["data.npz", "summary.json"]


def test_non_finite_numbers_become_null(tmp_path):
    folder = write_run(tmp_path, {"a": float("nan"), "b": [np.inf]})
    assert json.loads((folder / "summary.json").read_text()) == {"a": None, "b": [None]}


def test_a_new_run_leaves_nothing_of_the_old_one(tmp_path):
    write_run(tmp_path, {"run": 1}, {"t": np.arange(3)})
    write_run(tmp_path, {"run": 2})
    summary, arrays = read_run(tmp_path)
    assert summary == {"run": 2}
    assert arrays == {}


@pytest.mark.parametrize(
    ("summary", "arrays", "message"),
    [
        ({"a": {"b": object()}}, {}, r"summary\.a\.b"),
        ({"a": {1: 2}}, {}, r"summary\.a: key 1"),
        ({}, {"x": np.array([object()])}, r"arrays\.x: dtype object"),
        ({}, {"no name": np.arange(2)}, "'no name' must be an identifier"),
        ({}, {"file": np.arange(2)}, "'file' must be an identifier other than"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_touched(tmp_path, summary, arrays, message):
    write_run(tmp_path, {"old": 1}, {"t": np.arange(3)})
    with pytest.raises(InputError, match=message):
        write_run(tmp_path, summary, arrays)
    assert read_run(tmp_path)[0] == {"old": 1}


def test_errors_name_the_file(tmp_path):
    with pytest.raises(RuntimeFault, match=r"no summary\.json here"):
        read_run(tmp_path)
    write_run(tmp_path, {}, {"t": np.arange(100.0)})
    whole = (tmp_path / "data.npz").read_bytes()
    (tmp_path / "data.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RuntimeFault, match=r"data\.npz: cannot be read"):
        read_run(tmp_path)
    (tmp_path / "summary.json").write_text("[1]")
    with pytest.raises(RuntimeFault, match=r"summary\.json: must be an object"):
        read_run(tmp_path)


def test_a_writer_killed_at_any_moment_leaves_whole_files(tmp_path):
    program = (
        "import sys, numpy as np; from snn_control.record import write_run\n"
        "data = np.random.default_rng(0).random(200_000); k = 0\n"
        "while True:\n"
        "    k += 1; write_run(sys.argv[1], {'k': k}, {'k': k, 'data': data}); print(k, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for wait in (0.0, 0.007, 0.013):
        command = [sys.executable, "-c", program, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
            assert writer.stdout is not None
            for _ in range(2):
                writer.stdout.readline()
            time.sleep(wait)
            writer.send_signal(signal.SIGKILL)
        if not (tmp_path / "summary.json").exists():  # killed between two runs: no run, and it says so
            with pytest.raises(RuntimeFault, match=r"no summary\.json here"):
                read_run(tmp_path)
            continue
        summary, arrays = read_run(tmp_path)
        assert arrays["k"] == summary["k"]
        assert len(arrays["data"]) == 200_000


def test_records_written_at_once_get_names_of_their_own_and_replace_nothing(tmp_path):
    (tmp_path / "a_controller.yaml").write_text("the controller in use")
    together = Barrier(8)

    def write(number):
        together.wait()
        with new_record(tmp_path / "a.npz") as file:
            file.write_text(str(number))
            together.wait()
            companion(file, "inputs").write_text(str(number))
        return file.name

    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(write, range(8)))
    assert sorted(names) == [f"a_{k}.npz" for k in range(2, 10)]
    assert [(tmp_path / name).read_text() for name in names] == list("01234567")
    assert [companion(tmp_path / name, "inputs").read_text() for name in names] == list("01234567")
    assert len(list(tmp_path.iterdir())) == 17
    assert (tmp_path / "a_controller.yaml").read_text() == "the controller in use"
    for name in names:
        remove_record(tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["a_controller.yaml"]
