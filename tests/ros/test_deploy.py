"""``snn_control deploy``: a folder that a robot starts from, as systemd would."""

from __future__ import annotations

import configparser
import ctypes
import shlex
import socket
import subprocess
import sys
import time
from shutil import which
from types import SimpleNamespace

import pytest
import yaml

from snn_control.cli.deploy import _start, _twist_mux, _unit
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError
from snn_control.resources import controller_path
from snn_control.ros.supervision.life_sign import alive_every, notify
from tests.cli.common import call
from tests.ros.forks import die_with_the_parent
from tests.ros.node_processes import child_environment
from tests.ros.robot import write


def without_override():
    """Root, too, then cannot write where the mode of a file forbids it."""
    die_with_the_parent()
    ctypes.CDLL(None).prctl(24, 1)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def unit_of(folder):
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(folder / "snn_control.service")
    return unit["Service"]


@pytest.fixture
def systemd(tmp_path):
    """The socket at which systemd hears its services."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(60)
        yield end


def test_what_was_deployed_starts_without_compiling_and_tells_systemd(tmp_path, capsys, systemd):
    folder = tmp_path / "robot"
    given = "-p", f"record:={tmp_path}/a.npz", "-p", "publish_budget:=0.1"
    code, out, err = call(capsys, "deploy", write(tmp_path), "--out", folder, "--user", "robot", *given)
    assert (code, err) == (0, "")
    code_files = {file.name for file in (folder / "cache").rglob("*.code")}
    assert f"cache ({len(code_files)} functions)" in out
    assert len(code_files) > 10
    assert (folder / "99-snn_control.conf").read_text().endswith("robot - rtprio 98\nrobot - memlock unlimited\n")
    assert yaml.safe_load((folder / "diagnostics.yaml").read_text())["analyzers"]["ros__parameters"]["snn_control"]
    assert "locks" not in yaml.safe_load((folder / "twist_mux.yaml").read_text())["twist_mux"]["ros__parameters"]
    service = unit_of(folder)
    assert (service["Type"], service["User"]) == ("notify", "robot")
    assert service["ExecStart"].endswith(f"-p controller_file:={folder}/controller.yaml {' '.join(given)}")
    assert not (tmp_path / "a.npz").exists()
    environment = child_environment() | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    environment["SNN_CONTROL_CACHE"] = str(folder / "cache")
    for path in [folder / "cache", *(folder / "cache").rglob("*")]:  # a file system that is only read
        path.chmod(path.stat().st_mode & ~0o222)
    begin = time.monotonic()
    with subprocess.Popen(
        service["ExecStart"].split(), env=environment, cwd=tmp_path, preexec_fn=without_override,
        stderr=subprocess.PIPE, text=True,
    ) as node:  # fmt: skip
        said = systemd.recv(1000).decode()
        ready = time.monotonic() - begin
        assert said.startswith("READY=1\nSTATUS=active: ")
        assert [systemd.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        node.terminate()
        while systemd.recv(1000) != b"STOPPING=1":
            pass
        _, errors = node.communicate(timeout=60)
    assert node.returncode == 0, errors
    assert "compile" not in errors
    assert {file.name for file in (folder / "cache").rglob("*.code")} == code_files
    print(f"ready after {ready:.2f} s")


@pytest.mark.parametrize("kind", ["cmd_vel", "cmd_vel_stamped"])
def test_a_base_has_its_commands_and_stops_for_twist_mux(tmp_path, capsys, kind):
    assert call(capsys, "new", tmp_path / "base.yaml", "--robot", kind)[0] == 0
    (text,) = _twist_mux(load_spec(tmp_path / "base.yaml")).values()
    values = yaml.safe_load(text)["twist_mux"]["ros__parameters"]
    assert values["use_stamped"] == (kind == "cmd_vel_stamped")
    assert values["topics"] == {"controller": {"topic": "cmd_vel", "timeout": 0.2, "priority": 10}}
    assert values["locks"] == {"estop": {"topic": "estop", "timeout": 0.5, "priority": 255}}
    assert _twist_mux(load_spec(controller_path("pan_tilt"))) == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-p", "supervise=0.05"), "-p = 'supervise=0.05': must look like supervise:=0.05"),
        (("--name", "a b"), "--name = 'a b': must have letters"),
    ],
)
def test_what_cannot_be_deployed_is_refused_before_anything_is_written(tmp_path, capsys, arguments, said):
    code, _, err = call(capsys, "deploy", write(tmp_path), "--out", tmp_path / "robot", *arguments)
    assert code == 2
    assert said in err
    assert not (tmp_path / "robot").exists()


STRANGE = '100% of "a\\b", ${HOME} $$ ; it\'s'


def test_systemd_gives_the_node_what_was_given(tmp_path, monkeypatch):
    folder = tmp_path / "robot 100%h $HOME"
    monkeypatch.setenv("ROS_STATIC_PEERS", STRANGE)
    options = SimpleNamespace(name="snn_control", file="a%b.yaml", out=str(folder), parameters=[f"frame:={STRANGE}"])
    start = _start(folder / "controller.yaml", options.parameters)
    unit = tmp_path / "snn_control.service"
    unit.write_text(_unit(options, folder, "robot", start))
    service = unit_of(tmp_path)
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(service["ExecStart"])]
    assert words == start
    assert service["WorkingDirectory"] == str(folder).replace("%", "%%")
    lines = [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith("Environment=")]
    given = dict(shlex.split(line)[0].replace("%%", "%").split("=", 1) for line in lines)
    assert given["ROS_STATIC_PEERS"] == STRANGE
    if which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze, which would read the unit as systemd does")
    (folder / "cache").mkdir(parents=True)
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert not [line for line in done.stderr.splitlines() if "snn_control.service" in line], done.stderr


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("FILE", {"file": "base.yaml\nExecStartPre=/bin/true"}),
        ("-p", {"parameters": ["x:=1\nExecStartPre=+/bin/true"]}),
        ("--user", {"user": "a\nExecStartPre=+/bin/true"}),
        ("--user", {"user": "a b"}),
        ("ROS_STATIC_PEERS", {}),
    ],
)
def test_other_lines_for_the_unit_are_refused(tmp_path, monkeypatch, name, change):
    monkeypatch.setenv("ROS_STATIC_PEERS", "a\nExecStartPre=+/bin/true" if not change else "")
    given = {"name": "snn_control", "file": "base.yaml", "out": "robot", "parameters": [], "user": "robot"} | change
    with pytest.raises(DescriptionError, match=f"{name} = .*must"):
        _unit(SimpleNamespace(**given), tmp_path, given["user"], ["/usr/bin/python3"])


@pytest.mark.parametrize(("size", "file"), [(200, "controller.yaml"), (4000, ".code: compiled code is not kept")])
def test_on_a_full_disk_no_part_of_a_folder_stays(tmp_path, size, file):
    code = "import resource, sys; from snn_control.cli import main"
    code += f"; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-B", "-c", code, "deploy", str(write(tmp_path)), "--out", "robot"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=child_environment(), timeout=120)
    assert done.returncode in (1, 2)
    assert file in done.stderr, done.stderr
    assert "File too large" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["controller.yaml"]


def test_a_folder_with_other_files_is_left_alone(tmp_path, capsys):
    (tmp_path / "robot").mkdir()
    (tmp_path / "robot" / "thesis.tex").write_text("")
    code, _, err = call(capsys, "deploy", write(tmp_path), "--out", tmp_path / "robot")
    assert (code, "holds other files" in err) == (2, True)
    assert [file.name for file in (tmp_path / "robot").iterdir()] == ["thesis.tex"]


def test_without_systemd_nothing_is_said(monkeypatch):
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    assert (notify("READY=1"), alive_every()) == (False, 0.0)
    monkeypatch.setenv("NOTIFY_SOCKET", "/there/is/none")
    assert notify("READY=1") is False
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    assert alive_every() == 1.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert alive_every() == 0.0
