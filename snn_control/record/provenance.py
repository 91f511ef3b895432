"""The origin of a run: its commit, machine and software. Nothing here raises."""

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
    """Return the version and, in a checkout, the output of ``git describe``, as one text."""
    if (ROOT / ".git").exists():
        line = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--tags"]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=5, check=True)
            return f"{done.stdout.strip()} (git describe), version {__version__}"
        except (OSError, subprocess.SubprocessError):
            pass
    return f"version {__version__}, not in a checkout"


def machine() -> dict[str, str]:
    """Return name -> text: the processor, its cores, the kernel with its kind of preemption, and the date."""
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
    """Return the versions of Python and of these packages."""
    versions = {"snn_control": __version__, "python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not found"
    return versions
