"""``snn_control run --target``: exported C controls an environment from an emulated processor."""

from __future__ import annotations

import json

import pytest

from snn_control.c_export.emulator import EmulatedMachine
from tests.cli.common import call

QUADROTOR = ("run", "--env", "QuadrotorAttitude-v0", "--alone", "--episodes", 1, "--json", "quadrotor_attitude")
UPWARDS = 0x0040_0000  # FPSCR: round up


def flown(capsys, *more):
    """Fly the quadrotor; return the exit code, the row of the episode, and the processor's figures."""
    code, out, _ = call(capsys, *QUADROTOR, *more)
    result = json.loads(out)
    row = {key: value for key, value in result["episodes"][0].items() if key != "us_a_step"}
    return code, row, result["processor"]


@pytest.fixture
def emulated():
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")


@pytest.mark.parametrize("steps", [500, pytest.param(4000, marks=pytest.mark.deep)])  # the episode has 4000
def test_a_processor_flies_a_quadrotor_with_the_bits_of_the_engine(steps, emulated, capsys):
    code, row, found = flown(capsys, "--steps", steps, "--target", "cortex-m4f", "--mhz", 168)
    assert (code, row["steps"]) == (0, steps)
    assert flown(capsys, "--steps", steps) == (0, row, None)
    assert (found["ticks"], found["differing"], found["first_difference"]) == (steps, 0, "")
    assert 50_000 < found["instructions"]["mean"] < found["instructions"]["most"] < 100_000
    assert found["seconds"]["most"] == pytest.approx(found["instructions"]["most"] * 1.6 / 168e6)


def test_the_processor_controls_and_differences_are_reported(emulated, capsys, monkeypatch):
    class Other(EmulatedMachine):
        def __init__(self, *given, **more):
            super().__init__(*given, **more)
            self.set_rounding(UPWARDS)

    monkeypatch.setattr("snn_control.c_export.processor.EmulatedMachine", Other)
    _, before, _ = flown(capsys, "--steps", 50)
    code, row, found = flown(capsys, "--steps", 50, "--target", "cortex-m4f")
    assert (code, found["ticks"], found["seconds"]) == (1, 50, None)
    assert 0 < found["differing"] <= 50
    assert found["first_difference"].startswith("seed 0, tick 0: ")
    assert row["return"] != before["return"]
    out = call(capsys, *(one for one in QUADROTOR if one != "--json"), "--steps", 5, "--target", "cortex-m4f")[1]
    assert "5: 5 differ from the engine, first seed 0, tick 0: " in out


def test_every_episode_begins_anew_in_any_number_of_processes(emulated, capsys):
    command = ["run", "--env", "CartPole-v1", "--steps", 20, "--episodes", 3, "--json", "cartpole", "--target"]
    one, two = (json.loads(call(capsys, *command, "cortex-m7", "--jobs", jobs)[1]) for jobs in (1, 2))
    assert one["processor"] == two["processor"]
    assert (one["processor"]["ticks"], one["processor"]["differing"]) == (60, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mhz", 168), "--mhz = 168.0: needs --target"),
        (("--target", "cortex-m4f", "--keep-learning"), "is not for --keep-learning: on the processor, each episode"),
        (("--target", "cortex-m4f", "--robustness"), "--target = 'cortex-m4f': is not for --robustness"),
    ],
)
def test_wrong_options_are_refused(arguments, message, capsys):
    code, _, err = call(capsys, "run", "--env", "CartPole-v1", "cartpole", *arguments)
    assert code == 2
    assert message in err


def test_what_cannot_be_exported_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("snn_control.c_export.kernel_text.REFUSED", {"guard": "it is refused for this test"})
    code, _, err = call(capsys, "run", "--env", "CartPole-v1", "cartpole", "--target", "cortex-m4f")
    assert code == 2
    assert "cartpole.yaml: cannot be exported to C: kernel 'guard': it is refused for this test" in err
