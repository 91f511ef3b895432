"""The origin of a run: its commit, machine and software. No function here raises an exception."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from .. import __version__

__all__ = ["commit", "machine", "software"]

ROOT = Path(__file__).parents[2]


def commit() -> str:
    """Return the version of snn_control as text. In a git checkout, the output of ``git describe`` precedes it."""
    if (ROOT / ".git").exists():
        line = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--tags"]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=5, check=True)
            return f"{done.stdout.strip()} (git describe), version {__version__}"
        except (OSError, subprocess.SubprocessError):
            pass
    return f"version {__version__}, not in a checkout"


def machine() -> dict[str, str]:
    """Return the origin of a measurement: processor, number of cores, kernel with its preemption model, date."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    cores = len(os.sched_getaffinity(0))
    kind = re.search(r"PREEMPT\w*", platform.version())
    return {
        "processor": found.group(1).strip() if found else platform.machine(),
        "cores": f"{cores} of {os.cpu_count()} usable",
        "kernel": f"{platform.system()} {platform.release()}, {kind.group(0) if kind else 'no word of preemption'}",
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
    }


def software(*packages: str) -> dict[str, str]:
    """Return the versions of snn_control, Python and ``packages``: name -> version."""
    versions = {"snn_control": __version__, "python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not found"
    return versions
