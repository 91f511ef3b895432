"""The entry points for ros2cli and ros2doctor. Neither has a wheel, so the callers here are stand-ins that do what
theirs do: load the class by its entry point, add arguments, call main; call category and check."""

import argparse
import sys
import types
from contextlib import suppress
from importlib.metadata import entry_points

import pytest

from snn_control.findings import ERROR, NOTE, OK, WARNING, Finding
from snn_control.realtime import machine


def loaded(group, name):
    (one,) = (one for one in entry_points(group=group) if one.name == name and one.value.startswith("snn_control"))
    return one.load()()


@pytest.mark.parametrize(
    ("given", "needle"), [(["doctor", "--help"], "--strict"), ([], "first steps"), (["new"], "FILE")]
)
def test_ros2_snn_has_the_commands_of_snn_control(capsys, given, needle):
    command = loaded("ros2cli.command", "snn")
    assert type(command).__doc__
    parser = argparse.ArgumentParser(prog="ros2 snn", add_help=False)
    command.add_arguments(parser, "ros2")
    with suppress(SystemExit):  # --help
        command.main(parser=parser, args=parser.parse_args(given))
    captured = capsys.readouterr()
    assert needle in captured.out + captured.err


def test_ros2_doctor_gets_the_findings(monkeypatch):
    class Result:
        def __init__(self):
            self.error = self.warning = 0

        def add_error(self):
            self.error += 1

        def add_warning(self):
            self.warning += 1

    said = []
    api, form = types.ModuleType("ros2doctor.api"), types.ModuleType("ros2doctor.api.format")
    api.Result = Result
    form.doctor_error, form.doctor_warn = (lambda text: said.append(("error", text))), (lambda text: said.append(text))
    for name, module in {"ros2doctor": api, "ros2doctor.api": api, "ros2doctor.api.format": form}.items():
        monkeypatch.setitem(sys.modules, name, module)
    found = [Finding("a", OK, "x"), Finding("b", WARNING, "y", "mend it"),
             Finding("c", ERROR, "z"), Finding("d", NOTE, "w")]  # fmt: skip
    monkeypatch.setattr(machine, "findings", lambda: found)
    check = loaded("ros2doctor.checks", "snn_control")
    result = check.check()
    assert check.category() == "snn_control"
    assert (result.error, result.warning) == (1, 1)
    assert said == ["b: y: mend it", ("error", "c: z")]
