"""A short run of the fuzzing of policies' files (``make fuzz`` is the long one), and that it would find a fault."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def fuzz(*arguments):
    command = [sys.executable, "-m", "tests.training.fuzz_policies", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)


def test_changed_files_of_policies_are_refused_or_act():
    done = fuzz("--n", "500")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "500 changed files: 0 faults" in done.stdout


def test_what_no_reader_may_do_is_found():
    done = fuzz("--n", "30", "--planted")
    assert done.returncode == 1, done.stderr
    assert "30 changed files: 30 faults" in done.stdout
    assert all(fault in done.stdout for fault in ("os.listdir", "open '/dev/null'", " 10"))
