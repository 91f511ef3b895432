"""``snn_control demo``: the figures of its summary, and how it fails."""

from __future__ import annotations

import numpy as np
import pytest

from sim_worlds.core import Goal, Tracking
from snn_control.cli.demo_report import (
    CLOSED_SHARE,
    about_the_guard,
    commanded,
    judged,
    roughness,
    score,
    span_of_commands,
)  # fmt: skip
from snn_control.cli.processes import failure
from tests.cli.common import call


def test_a_demo_that_failed_ends_with_code_1_and_says_why(tmp_path, capsys):
    pytest.importorskip("rclpy")
    blocked = tmp_path / "world.npz"
    blocked.mkdir()
    code, _, err = call(capsys, "demo", "--duration", 2, "--lockstep", "--json", "--no-baselines", "--out", tmp_path)
    assert code == 1
    assert "world ended with code " in err
    assert str(blocked) in err


def test_the_last_line_of_the_log_of_each_failed_process_is_told(tmp_path):
    (tmp_path / "world.log").write_text("begun\nno such world\n\n")
    (tmp_path / "controller.log").write_text("fine\n")
    said = failure(tmp_path, {"world": 2, "controller": 0})
    assert said == f"world ended with code 2 ({tmp_path / 'world.log'}): no such world"


def test_a_demo_counts_the_steps_in_which_a_command_acted():
    actions = np.zeros((1000, 2))
    assert commanded(actions[:0]) == commanded(actions) == 0
    actions[:800, 1] = 0.1  # and then none for 0.2 s
    assert commanded(actions) == 0.8 < CLOSED_SHARE


def test_the_score_of_a_demo_leaves_the_first_second_out():
    error = np.full(3000, 2.0)
    error[:1000], error[1500] = 40.0, 30.0
    tracking = Tracking("target", "joint_position", "error", ("Pan", "Tilt"), lost=25.0, closed=3.0, scored_from=1.0)
    assert score(tracking, np.radians(error), 1e-3) == {"rms_deg": pytest.approx(np.sqrt(4 + 896 / 2000), abs=1e-3),
                                  "median_deg": 2.0, "max_deg": 30.0,
                                  "lost_share": 0.0005}  # fmt: skip


def test_a_demo_says_how_rough_its_commands_were():
    commands = np.zeros((2000, 2))
    commands[:1000] = 6.0  # does not count
    commands[1000::100, 0] = 6.0
    commands[1050::100, 0] = -6.0
    found = roughness(commands, 6.0, 1e-3, 1.0)  # 20 ends of swings on one of two axes in 1 s; 39 changes of 6 rad/s
    assert found == {"change_rms": pytest.approx(6.0 * np.sqrt(39 / 999), abs=1e-3), "full_swings_per_s": 9.5}


def test_a_demo_says_when_its_safe_ticks_were():
    commands = np.zeros((100, 2))
    assert span_of_commands(commands) == span_of_commands(commands[:0]) == (0, 0)
    commands[20:60, 1] = 0.5  # the world begins and ends
    assert span_of_commands(commands) == (20, 0)
    assert "all faults, safe, stale ticks are from then" in about_the_guard(0)
    commands[30:33] = 0
    assert span_of_commands(commands) == (20, 3)
    assert "all but 3 safe ticks are from then" in about_the_guard(3)


def test_a_world_that_tracks_nothing_is_judged_by_its_score():
    goal = Goal("touchdown_speed", at_most=0.3)
    for speed, met in ((0.2, True), (0.4, False)):
        assert judged(None, {"touchdown_speed": speed}, 1.0, goal) == {
            "touchdown speed": {"found": f"{speed}", "wanted": "at most 0.3", "met": met},
            "a command in": {"found": "100.0% of the steps", "wanted": "at least 90%", "met": True},
        }
    assert not judged(None, {}, 1.0, goal)["touchdown speed"]["met"]  # it was stopped before it had a score
    assert not judged(None, {"return": 800.0}, 1.0, Goal("return", at_least=850.0))["return"]["met"]
