"""A short run of the fuzzing of Programs and states (``make fuzz`` is the long one), and that it would find a fault."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def fuzz(*arguments):
    command = [sys.executable, "-m", "tests.engine.fuzz", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)


def test_changed_programs_and_states_are_refused_or_harmless():
    done = fuzz("80", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "80 changed programs: " in done.stdout
    assert "30 changed states: " in done.stdout


def test_rows_that_nobody_checks_are_found():
    done = fuzz("60", "0", "--planted")
    assert done.returncode == 1, done.stderr
    assert "SIGSEGV: " in done.stdout or "a command beyond its limits: " in done.stdout
