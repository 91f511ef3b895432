"""A short run of the fuzzing (``make fuzz`` is the long one), and that what it looks for would be found."""

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
        [sys.executable, "-m", "tests.events.fuzz", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=170,
        env=os.environ | environment,
    )  # fmt: skip


def test_wrong_data_through_every_codec_before_pages_that_cannot_be_touched():
    done = fuzz("100000")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" words, ") == 8


def test_wrong_data_through_every_codec_under_a_bounds_check(tmp_path):
    done = fuzz("30000", NUMBA_BOUNDSCHECK="1", SNN_CONTROL_CACHE=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" words, ") == 8


@pytest.mark.parametrize(("check", "found"), [("1", "IndexError"), ("0", "")], ids=["bounds check", "page"])
def test_a_kernel_that_reads_a_word_too_many_is_found(tmp_path, check, found):
    done = fuzz("3000", "--planted", NUMBA_BOUNDSCHECK=check, SNN_CONTROL_CACHE=str(tmp_path))
    assert done.returncode == (1 if found else -signal.SIGSEGV)
    assert found in done.stderr
