"""``snn_control events replay`` off topics, as a user calls it; on topics: tests/ros/test_events_replay.py."""

from __future__ import annotations

import importlib.util
import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from snn_control.analysis.event_replay import command_digest
from snn_control.analysis.stimulus_files import load_stimulus
from snn_control.cli import main
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.events import Events
from snn_control.record.run_folder import read_run
from snn_control.report import page
from snn_control.resources import shipped
from tests.events.moving import bar, save
from tests.fixtures import fixture

NO_REPORT = ["controller.npz", "controller.yaml", "data.npz", "shown.npz", "summary.json"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return save(tmp_path_factory.mktemp("recording") / "bar.npz", bar(-500.0))


def call(capsys, *arguments):
    """Exit code, output and error output of the command."""
    code = main(["events", "replay", *(str(a) for a in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def summary_of(capsys, *arguments, report=False):
    code, out, err = call(capsys, *arguments, "--json", *([] if report else ["--no-report"]))
    assert code == 0, err
    return json.loads(out)


def by_hand(controller, events, period_ns, **values):
    """Commands of a plain loop over the ticks."""
    t = events.ns - events.ns[0]
    rows = []
    for k in range(int(t[-1] // period_ns) + 1):
        rows_of_tick = (t >= k * period_ns) & (t < (k + 1) * period_ns)
        given = (t[rows_of_tick], events.x[rows_of_tick], events.y[rows_of_tick], events.p[rows_of_tick])
        rows.append(np.concatenate(list(controller.step({"camera": given, **values}).values())))
    return np.array(rows)


def test_the_commands_are_those_of_a_plain_loop_and_twice_the_same(tmp_path, capsys, recording):
    folders = [tmp_path / name for name in ("first", "second")]
    first, second = (summary_of(capsys, recording, "--controller", "motion", "--out", f) for f in folders)
    assert first["commands"] == second["commands"]
    spec = load_spec(shipped("motion"))
    spec = replace(spec, inputs=(replace(spec.inputs[0], size=(128, 128)),))
    expected = by_hand(Controller.from_spec(spec), bar(-500.0), 1_000_000)
    summary, arrays = read_run(folders[0])
    np.testing.assert_array_equal(arrays["command"].view(np.int64), expected.view(np.int64))
    assert summary["commands"] == command_digest(expected)
    assert summary["ticks"] == len(expected) == len(arrays["tick_events"])
    assert arrays["tick_events"].sum() == len(bar(-500.0)) == summary["events"]["camera"]["events"]
    assert arrays["command"][:, 0].mean() > 0.5  # to the left: yaw > 0


def test_the_run_folder_holds_what_ran(tmp_path, capsys, recording):
    folder = tmp_path / "run"
    code, out, _ = call(capsys, recording, "--controller", "motion", "--out", folder)
    summary, arrays = read_run(folder)
    assert code == 0
    assert summary["commands"] in out
    yaw = arrays["command"][:, 0]
    assert f"    yaw {yaw.min():.3g} to {yaw.max():.3g} rad/s, mean {yaw.mean():.3g}\n" in out
    assert "note: camera is for 640x480 pixels, the recording of 128x128: size changed" in out
    saved = load_spec(folder / "controller.yaml")
    assert tuple(saved.inputs[0].size) == (128, 128)
    html = (folder / "report.html").read_text("utf-8")
    assert "Events of the camera</h2>" in html
    assert 'id="record"' in html
    assert arrays["events_pixels"].shape == (128, 128)
    counts = np.bincount(arrays["spike_population"], minlength=len(arrays["population_names"]))
    assert dict(zip(arrays["population_names"].tolist(), counts.tolist())) == summary["spikes"]
    assert sum(summary["spikes"].values()) > 1000
    assert arrays["safe"].sum() == summary["guard"]["safe_ticks"] == 0
    assert arrays["command_names"].tolist() == ["yaw", "pitch"]
    assert str(arrays["command_unit"]) == "rad/s"


def test_other_inputs_get_zeros_or_what_was_given(tmp_path, capsys, recording):
    zeros = summary_of(capsys, recording, "--controller", "pan_tilt", "--out", tmp_path / "a")
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == NO_REPORT
    assert any("joint_velocity is not in the recording: 2 x 0" in note for note in zeros["notes"])
    given = summary_of(
        capsys, recording, "--controller", "pan_tilt", "--out", tmp_path / "b", "--value", "joint_velocity=0.5,-1e-1"
    )
    assert given["notes"] == []
    assert given["commands"] != zeros["commands"]
    expected = by_hand(Controller.load("pan_tilt"), bar(-500.0), 1_000_000, joint_velocity=[0.5, -0.1])
    assert given["commands"] == command_digest(expected)


def test_what_does_not_fit_into_a_tick_and_silences_are_counted(tmp_path, capsys):
    t = np.concatenate([np.full(5000, 10), np.full(10, 300_000)])  # us
    x = (np.arange(len(t)) % 128).astype(np.uint16)
    file = save(tmp_path / "flood.npz", Events(t, x, x, np.zeros(len(t), np.uint8), width=128, height=128))
    kept = summary_of(capsys, file, "--controller", "pan_tilt", "--out", tmp_path / "a")
    assert kept["events"]["camera"] == {"events": 5010, "dropped": 5000 - 4096, "late": 0, "jumps_back": 0, "gaps": 0,
                              "skipped_ns": 0, "out_of_frame": 0, "filtered": {}}  # fmt: skip
    assert kept["ticks"] == 300
    cut = summary_of(capsys, file, "--controller", "pan_tilt", "--out", tmp_path / "b", "--skip-gaps")
    assert (cut["ticks"], cut["events"]["camera"]["gaps"], cut["events"]["camera"]["skipped_ns"]) == (2, 1, 299_990_000)


def test_real_time_takes_its_time_and_commands_the_same(tmp_path, capsys, recording):
    fast = summary_of(capsys, recording, "--controller", "motion", "--out", tmp_path / "a")
    slow = summary_of(
        capsys, recording, "--controller", "motion", "--out", tmp_path / "b", "--real-time", "--speed", "0.5"
    )
    assert slow["seconds"] > 2 * (fast["ticks"] - 2) * 1e-3
    assert slow["commands"] == fast["commands"]


def test_the_size_of_a_recording_that_does_not_say_it_is_guessed(tmp_path, capsys):
    edge = bar(-500.0)
    file = save(tmp_path / "no_size.npz", replace(edge, x=edge.x + np.uint16(150), width=None, height=None))
    said = summary_of(capsys, file, "--controller", "pan_tilt", "--out", tmp_path / "a")
    note = "the recording does not state the size of its camera: 304x240 guessed from the coordinates"
    assert said["notes"][0].startswith(note)
    assert (said["recording"]["width"], said["recording"]["height"]) == (304, 240)
    assert said["events"]["camera"]["events"] == len(edge)
    assert said["events"]["camera"]["out_of_frame"] == 0
    assert tuple(load_spec(tmp_path / "a" / "controller.yaml").inputs[0].size) == (304, 240)
    said = summary_of(capsys, file, "--controller", "pan_tilt", "--out", tmp_path / "b", "--width", 200, "--height", 64)
    inside = np.count_nonzero((edge.x < 50) & (edge.y < 64))
    assert said["events"]["camera"]["events"] == inside
    assert said["recording"]["counters"]["out_of_frame"] == len(edge) - inside > 0


def test_what_is_out_of_the_frame_takes_no_room(tmp_path, capsys):
    """5000 invisible events before 100 visible ones in one tick of 4096."""
    x = np.concatenate([np.full(5000, 200), np.arange(100)]).astype(np.uint16)
    t, y = np.zeros(len(x), np.int64), np.zeros(len(x), np.uint16)
    file = save(tmp_path / "flood.npz", Events(t, x, y, np.ones(len(x), np.uint8)))
    size = ("--width", 128, "--height", 128)
    seen = summary_of(capsys, file, "--controller", "pan_tilt", "--out", tmp_path / "a", *size)
    assert (seen["events"]["camera"]["events"], seen["events"]["camera"]["dropped"]) == (100, 0)
    assert seen["recording"]["counters"] == {"out_of_frame": 5000}


def test_filters_are_counted_by_name(tmp_path, capsys, recording):
    edge = bar(-500.0)
    values = yaml.safe_load(shipped("pan_tilt").read_text())
    filters = {"filters": [{"type": "region", "x": 64, "y": 0, "width": 60, "height": 128}]}
    controller = changed(tmp_path, ("inputs", {"camera": values["inputs"]["camera"] | filters}))
    code, out, _ = call(capsys, recording, "--controller", controller, "--out", tmp_path / "a", "--no-report")
    assert code == 0
    removed = np.count_nonzero((edge.x < 64) | (edge.x >= 124))
    assert f"filters removed: region {removed:,}" in out


def test_a_mask_of_another_camera_is_told_apart_from_a_grid(tmp_path, capsys, recording):
    np.savez(tmp_path / "mask.npz", mask=np.zeros((480, 640), bool))
    values = yaml.safe_load(shipped("motion").read_text())
    values["inputs"]["camera"]["filters"] = [{"type": "hot_pixels", "mask": "mask.npz#mask"}]
    controller = tmp_path / "motion.yaml"
    controller.write_text(yaml.safe_dump(values, sort_keys=False))
    code, _, err = call(capsys, recording, "--controller", controller, "--out", tmp_path / "a")
    assert code == 2
    assert "filters[0].mask" in err
    assert "learn one from this camera: snn_control events hot-pixels" in err
    assert "grid" not in err


def test_a_part_is_that_part_of_the_events(tmp_path, capsys, recording, monkeypatch):
    monkeypatch.setattr(page, "write_report", lambda folder, record: None)  # the arrays are compared
    edge = bar(-500.0)
    after = edge.t - edge.t[0]
    piece = edge[(after >= 50_000_000) & (after < 120_000_000)]
    whole = save(tmp_path / "piece.npz", piece)
    ways = ([recording, "--from", 0.05, "--to", 0.12], [whole])
    part, alone = (
        summary_of(capsys, *way, "--controller", "motion", "--out", tmp_path / name, report=True)
        for way, name in zip(ways, "ab", strict=True)
    )
    assert part["events"]["camera"]["events"] == len(piece) > 100
    assert (part["commands"], part["ticks"]) == (alone["commands"], alone["ticks"])
    a, b = (read_run(tmp_path / name)[1] for name in "ab")
    np.testing.assert_array_equal(a["events_rate"], b["events_rate"])


def test_a_recording_that_claims_to_last_for_weeks_is_refused(tmp_path, capsys):
    t = np.arange(200) * 9_000_000_000  # us: two and a half hours each
    x = np.zeros(len(t), np.uint16)
    file = save(tmp_path / "weeks.npz", Events(t, x, x, np.zeros(len(t), np.uint8), width=128, height=128))
    summary_of(capsys, file, "--controller", "motion", "--out", tmp_path / "a")  # such gaps are cut out
    t = np.arange(2000) * 9_000_000  # 9 s
    x = np.zeros(len(t), np.uint16)
    file = save(tmp_path / "hours.npz", Events(t, x, x, np.zeros(len(t), np.uint8), width=128, height=128))
    code, _, err = call(capsys, file, "--controller", "motion", "--out", tmp_path / "b")
    assert (code, err.count("\n"), (tmp_path / "b").exists()) == (2, 1, False)
    assert "its times span 17,991 s, more than 10,000,000 ticks of 0.001 s" in err
    assert "--from and --to, or give --skip-gaps" in err
    assert summary_of(capsys, file, "--controller", "motion", "--out", tmp_path / "b", "--skip-gaps")["ticks"] == 2000


def test_the_inputs_are_kept_and_give_the_same_commands(tmp_path, capsys, recording):
    more = ("--value", "joint_velocity=0.5,-0.1")
    summary_of(capsys, recording, "--controller", "pan_tilt", "--out", tmp_path / "a", *more)
    spec = load_spec(tmp_path / "a" / "controller.yaml")
    stimulus = load_stimulus(tmp_path / "a" / "shown.npz", spec)
    assert (stimulus.log.first_tick, stimulus.log.overwritten) == (0, 0)
    controller = Controller.from_spec(spec)
    rows = np.array([np.concatenate(list(controller.step(seen).values())) for seen in stimulus.log.observations()])
    expected = read_run(tmp_path / "a")[1]["command"]
    np.testing.assert_array_equal(rows.view(np.int64), expected.view(np.int64))


def test_it_says_what_each_time_is(tmp_path, capsys, recording):
    out = call(capsys, recording, "--controller", "motion", "--out", tmp_path / "a", "--no-report")[1]
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["loop_seconds"] <= summary["seconds"]
    assert summary["ticks_per_s"] == pytest.approx(summary["ticks"] / summary["loop_seconds"], rel=0.1)
    assert f"{summary['loop_seconds']:g} s from the first tick to the last, {summary['ticks_per_s']:,} ticks/s" in out


TWO_CAMERAS = ("inputs", {"other": {"kind": "events", "size": [64, 64], "encoder": {"type": "pool", "grid": [4, 4]}}})


def changed(tmp_path, *changes):
    """The pan-tilt controller with other inputs, as a file."""
    values = yaml.safe_load(shipped("pan_tilt").read_text())
    for key, more in changes:
        values[key] = values[key] | more
    (tmp_path / "pan_tilt.npz").write_bytes(shipped("pan_tilt", suffix=".npz").read_bytes())
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def test_of_two_cameras_one_sees_the_recording(tmp_path, capsys, recording):
    file = changed(tmp_path, TWO_CAMERAS)
    code, _, err = call(capsys, recording, "--controller", file, "--out", tmp_path / "a")
    assert code == 2
    assert "must be one input of events; give --input" in err
    one = summary_of(capsys, recording, "--controller", file, "--input", "camera", "--out", tmp_path / "b")
    alone = summary_of(capsys, recording, "--controller", "pan_tilt", "--out", tmp_path / "c")
    assert "other, another camera, gets no events" in one["notes"]
    assert one["commands"] == alone["commands"]


def test_an_action_is_a_command(tmp_path, capsys, recording):
    velocity = {"type": "linear", "from": "joint_velocity", "tau": 0.02, "weights": [[0.0, 1.0]] * 82}
    argmax = {"type": "argmax", "actions": 2, "terms": [velocity]}  # 1 as soon as a spike came
    file = changed(tmp_path)
    values = yaml.safe_load(file.read_text())
    values["outputs"], values["ros"]["outputs"] = {"side": {"decoder": argmax}}, {}
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    summary_of(capsys, recording, "--controller", file, "--out", tmp_path / "a")
    _, arrays = read_run(tmp_path / "a")
    assert set(arrays["command"][:, 0].tolist()) == {0.0, 1.0}


MISTAKES = {
    "no such file": (["none.raw"], ["none.raw", "does not exist"]),
    "no such controller": (["FILE", "--controller", "motoin"], ["motoin", "motion"]),
    "no events": (["FILE", "--controller", "cartpole"], ["cartpole: inputs", "must be one input of events", "motion"]),
    "not an input": (["FILE", "--input", "camra"], ["--input = 'camra'", "must be an input of events", "camera"]),
    "grid": (["FILE", "--width", 128, "--height", 16], ["inputs.camera.encoder.grid[1] = 32", "(16)", "smaller grid"]),
    "no value": (["FILE", "--value", "camera"], ["--value = 'camera'", "must look like name=0,0.5"]),
    "unknown value": (["FILE", "--value", "joint=1"], ["--value joint", "is not an input of numbers"]),
    "NaN": (["FILE", "--controller", "pan_tilt", "--value", "joint_velocity=nan,0"],
            ["--value joint_velocity", "must be 2 numbers"]),
    "speed": (["FILE", "--speed", "0"], ["--speed", "at least 0.001"]),
    "empty": (["EMPTY"], ["holds no events"]),
    "a part of nothing": (["FILE", "--from", "50"], ["holds no events in this part"]),
    "a part that ends before": (["FILE", "--from", "1", "--to", "0.5"], ["--to = 0.5", "must be after --from = 1"]),
    "kind of video": (["FILE", "--video", "seen.avi"], ["--video = 'seen.avi'", "must end in .mp4"]),
    "place of video": (["FILE", "--video", "none/seen.mp4"], ["--video = 'none/seen.mp4'", "folder that exists"]),
    "broken controller": (["FILE", "--controller", "BROKEN"], ["snn_control: BROKEN: version"]),
    "no ros section": (["FILE", "--controller", "NO_ROS", "--ros"], ["ros.inputs.camera: is missing", "leave --ros"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_folder(tmp_path, capsys, recording, case):
    arguments, needles = MISTAKES[case]
    empty = save(tmp_path / "empty.npz", Events(width=128, height=128))
    no_ros = tmp_path / "no_ros.yaml"
    no_ros.write_text(shipped("motion").read_text().partition("\nros:")[0])
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 7\nnetwork: {}\n")
    known = {"FILE": recording, "EMPTY": empty, "NO_ROS": no_ros, "BROKEN": broken}
    arguments = [known.get(a, a) for a in arguments]
    if "--controller" not in arguments:
        arguments += ["--controller", "motion"]
    if case == "no ros section" and importlib.util.find_spec("rclpy") is None:
        pytest.skip("rclpy is not installed")
    code, _, err = call(capsys, *arguments, "--out", tmp_path / "run")
    assert code == 2
    assert err.startswith("snn_control: ")
    assert err.count("\n") == 1
    for needle in needles:
        assert needle.replace("BROKEN", str(broken)) in err
    assert not (tmp_path / "run").exists()


def test_nothing_is_replaced_without_force(tmp_path, capsys, recording):
    folder, video = tmp_path / "run", tmp_path / "seen.mp4"
    for arguments in ([], ["--force"]):
        assert call(capsys, recording, "--controller", "motion", "--out", folder, "--no-report", *arguments)[0] == 0
    code, _, err = call(capsys, recording, "--controller", "motion", "--out", folder)
    assert (code, "exists already" in err, "--force" in err) == (2, True, True)
    video.write_bytes(b"mine")
    code, _, err = call(capsys, recording, "--controller", "motion", "--out", tmp_path / "b", "--video", video)
    assert (code, "--video" in err, video.read_bytes()) == (2, True, b"mine")


def test_the_video_shows_the_whole_replay(tmp_path, capsys, recording):
    av = pytest.importorskip("av")
    video = tmp_path / "seen.mp4"
    code, _, err = call(
        capsys, recording, "--controller", "motion", "--out", tmp_path / "a", "--video", video, "--speed", "0.5",
        "--no-report",
    )  # fmt: skip
    assert code == 0, err
    with av.open(str(video)) as opened:
        pictures = [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]
    ticks = read_run(tmp_path / "a")[0]["ticks"]
    assert abs(len(pictures) - ticks * 1e-3 / 0.5 * 30) <= 1
    assert any(np.abs(a.astype(int) - b).max() > 50 for a, b in itertools.pairwise(pictures))


@pytest.mark.parametrize(("name", "events", "ticks"), [("ecpy_test_events_1.db3", 343474, 2079),
                                                       ("ecpy_test_events_2_0.mcap", 571266, 1000)])  # fmt: skip
def test_the_shared_recordings_twice(tmp_path, capsys, name, events, ticks):
    file = fixture(f"recordings/{name}")
    pytest.importorskip("mcap")
    runs = [summary_of(capsys, file, "--controller", "motion", "--out", tmp_path / str(k)) for k in range(2)]
    assert runs[0]["commands"] == runs[1]["commands"]
    assert (runs[0]["events"]["camera"]["events"], runs[0]["ticks"]) == (events, ticks)
    assert np.abs(read_run(tmp_path / "0")[1]["command"]).max() > 0.5
