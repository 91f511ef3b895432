"""A node on the live page: its frames over DDS, and what the page asks of its services."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from array import array
from pathlib import Path

import numpy as np
import pytest
from std_msgs.msg import String, UInt8MultiArray

from snn_control.errors import InputError, RuntimeFault
from snn_control.ros import watched_node
from snn_control.ros.nodes.live_page import FRAMES_QOS, SCENE_QOS
from snn_control.ros.watched_node import WatchedNode
from snn_control.watch import Client
from tests.ros.node_processes import Processes, wait
from tests.ros.robot import SAFE, Robot, changed, write
from tests.ros.test_replay import VALUES, replayed
from tests.watch.browser import chromium, opened, press, until

pytest.importorskip("websockets")

BIAS = "outputs.drive.bias"
TUNABLE = changed(VALUES, BIAS, {"value": 0.0, "tunable": [-0.4, 0.4]})


class Watched:
    """A node that is fed, its process, and a server of its page."""

    def __init__(self, ros, folder):
        from snn_control.watch.server import Server

        self.folder, self.robot, self.start = folder, Robot(ros), Processes(folder)
        self.robot.feed(self.robot.publisher(), 1.0, 0.5)
        self.begin()
        self.node = WatchedNode("controller")
        self.server = Server(self.node, control=True)

    def begin(self):
        file, record = str(write(self.folder, TUNABLE)), str(self.folder / "run.npz")
        self.process = self.start("controller_node", controller_file=file, record=record)

    def close(self):
        self.server.close()
        self.node.close()
        self.start.close()
        self.robot.close()


@pytest.fixture(scope="module")
def watched(ros, compiled, tmp_path_factory):
    one = Watched(ros, tmp_path_factory.mktemp("live"))
    yield one
    one.close()


@pytest.fixture
def client(watched):
    with Client(watched.server.url) as one:
        if "operator" in until_frame(one, lambda h, a: True)[0]["causes"]:
            one.act("release")
        until_frame(one, lambda h, a: not h["safe"])
        yield one


def until_frame(client, condition):
    end = time.monotonic() + 30
    while not condition(*(frame := client.frame())):
        assert time.monotonic() < end, frame[0]
    return frame


def test_frames_have_the_commands_and_spikes_of_the_record(client):
    assert client.scene["kind"] == "node"
    assert client.scene["title"].startswith("controller: ")
    frames = [until_frame(client, lambda h, a: h["ticks"]) for _ in range(20)]
    assert [header["tick"] for header, _ in frames] == sorted({header["tick"] for header, _ in frames})
    assert frames[-1][0]["timing"]["tick"]["p50"] > 0
    with np.load(client.act("snapshot")["text"]) as record:
        for header, arrays in frames:
            first, last = header["tick"] - header["ticks"], header["tick"]
            steps = slice(*np.searchsorted(record["spike_step"], [2 * first, 2 * last]))
            assert np.array_equal(arrays["command"], record["command"][first:last].astype(np.float32))
            assert np.array_equal(arrays["spike_step"] + arrays["first_step"], record["spike_step"][steps])
            assert np.array_equal(arrays["spike_neuron"], record["spike_neuron"][steps])
        assert steps.stop > 0


def test_membranes_and_weights_come_if_they_are_looked_at(client):
    assert "membrane.fires" not in client.frame()[1]
    client.look(["fires"])
    header, arrays = until_frame(client, lambda h, a: "membrane.fires" in a and "weights.1" in a)
    assert arrays["membrane.fires"].shape == (20,)
    assert {one["key"]: one["learns"] for one in header["weights"]} == {"weights.0": False, "weights.1": True}
    client.look([])
    until_frame(client, lambda h, a: "membrane.fires" not in a)


def test_a_tuned_number_is_in_the_next_frames_and_others_are_refused(client):
    client.act("tune", path=BIAS, value=0.25)
    until_frame(client, lambda h, a: h["tuned"] == [0.25] and any(m["kind"] == "tune" for m in h["marks"]))
    with pytest.raises(
        InputError, match=r"tune 'outputs.drive.bia': is not tunable; did you mean 'outputs.drive.bias'"
    ):
        client.act("tune", path="outputs.drive.bia", value=0.1)
    with pytest.raises(InputError, match="range"):
        client.act("tune", path=BIAS, value=0.5)
    with pytest.raises(InputError, match="must be a number"):
        client.act("tune", path=BIAS, value="much")
    client.act("tune", path=BIAS, value=0.0)


def test_stop_release_restart_and_learning(client):
    client.act("stop")
    header, _ = until_frame(client, lambda h, a: h["safe"] and h["ticks"] and (a["command"] == SAFE).all())
    assert "operator" in header["causes"]
    client.act("release")
    until_frame(client, lambda h, a: not h["safe"])
    for action, values, kind, text in (
        ("restart", {}, "restart", ""), ("learning", {"on": False}, "learning", "off"),
        ("learning", {"on": True}, "learning", "on"),
    ):  # fmt: skip
        client.act(action, **values)
        until_frame(client, lambda h, a: (kind, text) in [(m["kind"], m["text"]) for m in h["marks"]])  # noqa: B023
    with pytest.raises(InputError, match="action 'pause': must be one of tune"):
        client.act("pause")


def test_a_snapshot_is_a_record_that_replays(client, watched):
    path = client.act("snapshot")["text"]
    assert path.startswith(str(watched.folder))
    code, found = replayed(path)
    assert (code, found["identical"]) == (0, True)
    assert found["ticks"] > 50


def test_a_node_that_was_started_again_is_watched_again(client, watched):
    client.look(["slow"])
    until_frame(client, lambda h, a: "membrane.slow" in a)
    tick, changes = client.frame()[0]["tick"], watched.node.changes
    assert watched.process.end() == 0
    watched.begin()
    wait(lambda: watched.node.changes == changes + 1)
    client.scene.clear()
    header, _ = until_frame(client, lambda h, a: h["tick"] < tick and "membrane.slow" in a)
    assert client.scene["kind"] == "node"
    later, _ = client.frame()
    assert later["tick"] > header["tick"]
    client.look([])


def test_messages_of_something_else_end_nothing(client, watched):
    changes, node = watched.node.changes, watched.robot.node
    scene = node.create_publisher(String, "/controller/live/scene", SCENE_QOS)
    frames = node.create_publisher(UInt8MultiArray, "/controller/live/frames", FRAMES_QOS)
    try:
        wait(lambda: scene.get_subscription_count() and frames.get_subscription_count())
        for header in (b'"abc"', b"[" * 20_000):
            frames.publish(UInt8MultiArray(data=array("B", len(header).to_bytes(4, "little") + header)))
        for text in ("[" * 20_000, '"abc"', "{}"):
            scene.publish(String(data=text))
        for _ in range(30):
            client.frame()
        assert watched.node.changes == changes
        with pytest.raises(InputError, match="is not a population of this scene"):
            client.look(["\ud800"])
        client.frame()
    finally:
        node.destroy_publisher(scene)
        node.destroy_publisher(frames)


def test_an_interrupted_search_for_a_node_ends_as_asked():
    command = [sys.executable, "-m", "snn_control", "watch", "--node", "nothing", "--no-browser"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait(lambda: b"librmw_fastrtps" in Path(f"/proc/{process.pid}/maps").read_bytes())
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert (process.returncode, said) == (0, "")


def test_a_page_of_a_node_stops_and_releases_it(client, watched):
    with contextlib.ExitStack() as stack:
        page = stack.enter_context(opened(stack.enter_context(chromium()), watched.server.url))
        until(page, "s.frames > 5 && s.spikes > 0 && $('#safe').hidden")
        press(page, "stop")
        until(page, "!$('#safe').hidden && $('#safe').textContent.includes('operator')")
        press(page, "release")
        until(page, "$('#safe').hidden")
        page.keyboard.press(" ")  # a robot does not wait: only the view does
        until(page, "$('[data-control=\"pause\"]').textContent === 'Go on'")
        tick = client.frame()[0]["tick"]
        until(page, f"s.tick > {tick} + 10")


def test_an_unknown_name_gets_the_names_of_those_there(watched, monkeypatch):
    rule = "/nobody: no controller node of this name publishes its scene within"
    for seconds in (1.0, 4.0, 10.0):  # in which those there are discovered
        monkeypatch.setattr(watched_node, "FOUND_WITHIN", seconds)
        with pytest.raises(RuntimeFault, match=rule) as found:
            WatchedNode("nobody")
        if "no node does" not in str(found.value):
            break
    assert str(found.value) == f"{rule} {seconds:g} s; those that do: /controller"
