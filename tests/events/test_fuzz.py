"""A short run of the fuzzing (``make fuzz`` is the long one), and a check that it would find a fault."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def fuzz(*arguments, **environment):
    environment = {"PYTHONPATH": str(ROOT), "NUMBA_BOUNDSCHECK": "0"} | environment
    return subprocess.run(
        [sys.executable, "-m", "tests.events.fuzz", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280,
        env=os.environ | environment,
    )  # fmt: skip


def test_wrong_data_through_every_codec_before_pages_that_cannot_be_touched():
    done = fuzz("40000")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" words, ") == 9


CHECKED = {"NUMBA_BOUNDSCHECK": "1"}  # the cache keeps what is compiled so apart


VARIANTS = pytest.param(["evt21", "evt21_legacy", "libcaer_cmp", "trigger", "evt4"], marks=pytest.mark.deep)


@pytest.mark.parametrize("encodings", [["evt3", "evt2", "libcaer", "mono"], VARIANTS], ids=" ".join)  # one of a module
def test_wrong_data_through_a_codec_under_a_bounds_check(encodings):
    done = fuzz("10000", "--encodings", *encodings, **CHECKED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" words, ") == len(encodings)


@pytest.mark.parametrize(("check", "found"), [(True, "IndexError"), (False, "")], ids=["bounds check", "page"])
def test_a_kernel_that_reads_a_word_too_many_is_found(check, found):
    done = fuzz("3000", "--planted", **(CHECKED if check else {}))
    assert done.returncode == (1 if found else -signal.SIGSEGV)
    assert found in done.stderr


def test_damaged_recordings_through_every_reader():
    pytest.importorskip("h5py", reason="needs h5py: pip install '.[hdf5]'")
    pytest.importorskip("hdf5plugin", reason="needs hdf5plugin: pip install '.[hdf5]'")
    done = subprocess.run(
        [sys.executable, "-m", "tests.events.fuzz_files", "200000"], cwd=ROOT, capture_output=True, text=True,
        timeout=280, env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" copies, ") == 10
