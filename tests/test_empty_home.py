"""``make test`` begins with an empty home: only what is found by a digest is kept from a run before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import __main__ as runner

ROOT = Path(__file__).resolve().parents[1]


def test_nothing_leads_out_of_the_home_but_the_settings_of_pip_and_compiled_code(tmp_path, monkeypatch):
    user, home = tmp_path / "user", tmp_path / "home"
    (user / "settings/pip").mkdir(parents=True)
    (user / "settings/pip/pip.conf").write_text("[global]\n")
    (user / ".netrc").touch()
    home.mkdir()
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user / "settings"))
    for name in ("SNN_CONTROL_CACHE", "ZIG_GLOBAL_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "compiled"))
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(user))
    monkeypatch.setenv("KEPT", "1")
    given = runner.environment(home)
    assert (given["HOME"], given["KEPT"]) == (str(home), "1")
    assert given["SNN_CONTROL_CACHE"] == given["ZIG_GLOBAL_CACHE_DIR"] == str(tmp_path / "compiled")
    assert [name for name, value in given.items() if str(user) in value] == []
    assert (home / ".config/pip/pip.conf").read_text() == "[global]\n"
    assert sorted(path.name for path in home.iterdir()) == [".config", ".netrc"]


def test_a_signal_ends_it_and_the_home_is_gone(tmp_path):
    sleeper = tmp_path / "test_sleeper.py"
    sleeper.write_text("import time\n\ndef test_sleeps():\n    time.sleep(120)\n")
    line = [sys.executable, "-m", "tests", str(sleeper), "-c", "pyproject.toml"]
    process = subprocess.Popen(
        line, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 120
        while not list(tmp_path.glob("snn_control_tests_*/.config")):
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    assert list(tmp_path.glob("snn_control_tests_*")) == []


@pytest.mark.parametrize("options", [[], ["-n", "1"]], ids=["alone", "workers"])
def test_deep_tests_that_are_left_out_are_counted(options):
    line = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "evt21_legacy", *options]
    done = subprocess.run([*line, "tests/events/test_fuzz.py"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == runner.NO_TESTS, done.stdout
    assert "\n1 tests marked deep were not run: add --deep, or run `make test-all`\n" in done.stdout
