"""A watched world for clients of Foxglove's protocol: what they get, what they can set, and who is refused."""

import base64
import json
import random
import socket
import struct
import time
from contextlib import contextmanager

import gymnasium
import jsonschema
import numpy as np
import pytest

from snn_control import Controller
from snn_control.controller_file import load_spec, parse_spec
from snn_control.resources import controller_path
from snn_control.watch import Client
from snn_control.watch import server as server_module
from snn_control.watch.foxglove import SUBPROTOCOLS
from snn_control.watch.foxglove_channels import Channels, Frame
from snn_control.watch.scene import scene_of
from snn_control.watch.server import Server
from snn_control.watch.world import WorldRun
from tests.watch.test_server import BIAS, FILE, until

connect = pytest.importorskip("websockets.sync.client").connect
InvalidStatus = pytest.importorskip("websockets.exceptions").InvalidStatus

WEB_APP = "https://app.foxglove.dev"
#: fields of the messages in the published schemas: https://github.com/foxglove/foxglove-sdk, schemas/jsonschema
PUBLISHED = {
    "foxglove.RawImage": {"timestamp", "frame_id", "width", "height", "encoding", "step", "data"},
    "foxglove.PointCloud": {"timestamp", "frame_id", "pose", "point_stride", "fields", "data"},
    "foxglove.LaserScan": {
        "timestamp", "frame_id", "pose", "start_angle", "end_angle", "ranges", "intensities"},
    "foxglove.Log": {"timestamp", "level", "message", "name", "file", "line"},
}  # fmt: skip


class App:
    """A client as an app has it: messages by topic, and the texts."""

    def __init__(self, connection):
        self.connection = connection
        self.texts, self.messages, self.times, self.topics = [], {}, [], {}
        self.info = self.text("serverInfo")
        self.channels = {one["topic"]: one for one in self.text("advertise")["channels"]}

    def take(self, seconds=10.0):
        """Take one message; return its text, or its topic."""
        message = self.connection.recv(seconds)
        if isinstance(message, str):
            self.texts.append(json.loads(message))
            return self.texts[-1]
        if message[0] == 2:
            self.times.append(struct.unpack("<Q", message[1:])[0])
            return None
        number, ns = struct.unpack_from("<IQ", message, 1)
        assert message[0] == 1
        assert ns == self.times[-1]
        topic = self.topics[number]
        self.messages.setdefault(topic, []).append((ns, json.loads(message[13:])))
        return topic

    def text(self, op):
        """Take messages until a text of this kind."""
        while not isinstance(one := self.take(), dict) or one["op"] != op:
            pass
        return one

    def say(self, op, **message):
        self.connection.send(json.dumps({"op": op, **message}))

    def subscribe(self, *topics):
        numbers = {topic: 1000 + self.channels[topic]["id"] for topic in topics}
        self.topics |= {number: topic for topic, number in numbers.items()}
        subscriptions = [{"id": numbers[topic], "channelId": self.channels[topic]["id"]} for topic in topics]
        self.say("subscribe", subscriptions=subscriptions)

    def until(self, condition, seconds=10.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "the condition was not met in time"
            self.take(seconds)

    def newest(self, topic):
        return self.messages[topic][-1][1] if topic in self.messages else {}


@contextmanager
def app(server, token=True, path="/", origin=None, subprotocols=SUBPROTOCOLS, host="127.0.0.1", waiting=None):
    query = f"?token={server.token if token is True else token}" if token else ""
    with connect(
        f"ws://{host}:{server.port}{path}{query}", subprotocols=subprotocols, origin=origin, max_size=None, proxy=None,
        sock=socket.create_connection(("127.0.0.1", server.port)), max_queue=waiting, close_timeout=0.5,
    ) as connection:  # fmt: skip
        yield App(connection)


def serving(name, env, **keywords):
    spec = load_spec(controller_path(name)) if name else parse_spec(FILE)
    run = WorldRun(Controller.from_spec(spec), spec, lambda: gymnasium.make(env, **keywords), "a run")
    server = Server(run, control=True)
    yield server
    server.close()
    run.close()


@pytest.fixture
def served():
    yield from serving("", "CartPole-v1")


@pytest.fixture
def balancing():
    yield from serving("cartpole", "CartPole-v1")


@pytest.fixture
def scanner():
    yield from serving("lidar_course", "sim_worlds:LidarCourse-v0", render_mode="rgb_array")


def decoded(cloud):
    """The points of a message of foxglove.PointCloud, read by its fields."""
    kinds = {1: "u1", 5: "<u4", 7: "<f4"}
    fields = {one["name"]: (kinds[one["type"]], one["offset"]) for one in cloud["fields"]}
    names, (formats, offsets) = list(fields), zip(*fields.values())
    dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": cloud["point_stride"]})
    return np.frombuffer(base64.b64decode(cloud["data"]), dtype)


@pytest.mark.parametrize("subprotocol", SUBPROTOCOLS)
@pytest.mark.parametrize("path", ["/", "/ws", "/foxglove"])
def test_a_client_is_welcomed(served, subprotocol, path):
    with app(served, path=path, subprotocols=[subprotocol]) as one:
        assert one.connection.subprotocol == subprotocol
        assert set(one.info["capabilities"]) == {"time", "parameters", "parametersSubscribe"}
        assert set(one.channels) == {
            "/outputs", "/populations/rates", "/status", "/spikes", "/marks", "/world", "/inputs/state"}  # fmt: skip


def test_messages_have_the_form_of_their_schemas(scanner):
    with app(scanner) as one:
        one.subscribe(*one.channels)
        one.until(lambda: "/status" in one.messages)
        with Client(scanner.url) as page:
            page.act("reset", seed=2)  # a mark
        one.until(lambda: set(one.messages) == set(one.channels) and len(one.messages["/outputs"]) > 5)
        for topic, found in one.messages.items():
            channel = one.channels[topic]
            assert (channel["encoding"], channel["schemaEncoding"]) == ("json", "jsonschema")
            schema = json.loads(channel["schema"])
            assert schema["title"] == channel["schemaName"]
            for ns, message in found:
                readable = json.loads(json.dumps(message).replace("null", "0"))  # JSON has no infinity
                jsonschema.validate(readable, schema)
                if channel["schemaName"] in PUBLISHED:
                    assert set(message) == set(schema["required"]) == PUBLISHED[channel["schemaName"]]
                    assert message["timestamp"]["sec"] * 10**9 + message["timestamp"]["nsec"] == ns
        scan, picture = one.newest("/scans/scan"), one.newest("/world")
        assert len(scan["ranges"]) == 55
        assert [scan["start_angle"], scan["end_angle"]] == pytest.approx(np.radians([-135, 135]))
        assert len(base64.b64decode(picture["data"])) == picture["height"] * picture["step"]
        assert picture["step"] == 3 * picture["width"]
        steps = np.diff([ns for ns, _ in one.messages["/outputs"]])
        assert np.median(steps) == pytest.approx(0.05e9)
        assert set(one.newest("/outputs")) == {"forward", "turn"}


def test_spikes_are_those_of_the_page(balancing):
    with Client(balancing.url) as page, app(balancing) as one:
        page.act("pause")
        page.act("reset", seed=3)
        until(page, lambda h, a: h["episode"]["seed"] == 3 and h["tick"] == 0)
        one.subscribe("/spikes", "/status", "/populations/rates")
        one.until(lambda: "/status" in one.messages)
        page.act("step", steps=40)  # 0.8 s, so that a message has all of them
        spikes, header = 0, {"tick": 0}
        while header["tick"] < 40:
            header, arrays = page.frame()
            spikes += len(arrays["spike_step"])
        one.until(lambda: one.newest("/status")["tick"] == 40)
        points = decoded(one.newest("/spikes"))
        assert len(points) == spikes == header["spikes"]["observation"] > 0
        assert points["x"].min() >= -0.8 - 1e-6
        assert points["x"].max() < 0
        assert np.array_equal(np.round((1 - points["y"]) * 32 - 0.5), points["neuron"])
        rate = one.newest("/populations/rates")["observation"]
        assert rate == pytest.approx((points["x"] > -0.5).sum() / 0.5 / 32, rel=0.3)


def test_time_goes_on_over_resets_and_stands_still_in_a_pause(served):
    with Client(served.url) as page, app(served) as one:
        one.subscribe("/outputs", "/spikes")
        for seed in range(3):
            page.act("reset", seed=seed)
            count = len(one.times)
            one.until(lambda count=count: len(one.times) > count + 5)
        assert one.times == sorted(one.times)
        page.act("pause")
        until(page, lambda h, a: h["paused"] and not h["ticks"])
        with pytest.raises(TimeoutError):
            one.until(lambda: False, seconds=0.5)


def test_only_subscribed_channels_are_sent(served, monkeypatch):
    made = []
    original = Channels._status
    monkeypatch.setattr(Channels, "_status", lambda self, frame: made.append(1) or original(self, frame))
    with app(served) as one:
        one.subscribe("/outputs")
        one.until(lambda: len(one.messages.get("/outputs", ())) > 5)
        assert not made
        one.subscribe("/status")
        one.until(lambda: "/status" in one.messages)
        one.say("unsubscribe", subscriptionIds=list(one.topics))
        one.say("getParameters", parameterNames=[], id="after")
        one.text("parameterValues")
        count, before = len(made), {topic: len(found) for topic, found in one.messages.items()}
        times = len(one.times)
        one.until(lambda: len(one.times) > times + 5)
        assert len(made) == count
        assert {topic: len(found) for topic, found in one.messages.items()} == before
        one.subscribe("/outputs")  # with the number that is free again
        one.until(lambda: len(one.messages["/outputs"]) > before["/outputs"])
    assert served.refused == 0


def test_parameters_are_set_with_the_token(served):
    with app(served) as one, app(served, token=None) as other:
        other.say("subscribeParameterUpdates", parameterNames=[])
        other.say("getParameters", parameterNames=[], id="all")
        found = other.text("parameterValues")
        assert (found["id"], found["parameters"]) == ("all", [{"name": BIAS, "value": 1.5, "type": "float64"}])
        one.say("setParameters", parameters=[{"name": BIAS, "value": 2}], id="set")
        answer = one.text("parameterValues")
        assert (answer["id"], answer["parameters"][0]["value"]) == ("set", 2)
        update = other.text("parameterValues")
        assert "id" not in update
        assert update["parameters"] == [{"name": BIAS, "value": 2, "type": "float64"}]
        for parameters in ([{"name": BIAS, "value": 4}], [{"name": BIAS}], [{"name": "no", "value": 1}]):
            one.say("setParameters", parameters=parameters, id="no")
            assert [p["value"] for p in one.text("parameterValues")["parameters"]] in ([2], [])
            assert one.text("status")["level"] == 2
    assert served.source.controller.tuned[BIAS] == 2


def test_parameters_are_only_read_without_the_token(served):
    with app(served, token=None) as one:
        one.say("setParameters", parameters=[{"name": BIAS, "value": 2}], id="set")
        assert one.text("parameterValues")["parameters"][0]["value"] == 1.5
        assert "may only be read" in one.text("status")["message"]
    assert served.refused == 1
    assert served.source.controller.tuned[BIAS] == 1.5


@pytest.mark.parametrize(("values", "status"), [
    ({"token": None, "origin": WEB_APP}, 403), ({"token": "wrong", "origin": WEB_APP}, 403),
    ({"token": None, "origin": "null"}, 403), ({"token": "wrong"}, 401),
    ({"origin": WEB_APP, "path": "/ws", "subprotocols": ["snn_control.watch.v1", *SUBPROTOCOLS]}, 403),
    ({"origin": WEB_APP, "path": "/ws", "subprotocols": None}, 403), ({"path": "/other"}, 404),
    ({"host": "evil.example"}, 403), ({"host": "evil.example", "origin": WEB_APP}, 403),
])  # fmt: skip
def test_foreign_origins_and_hosts_and_wrong_tokens_are_refused(served, values, status):
    with pytest.raises(InvalidStatus) as refused, app(served, **values):
        pass
    assert refused.value.response.status_code == status
    assert served.refused == 1


def test_a_web_app_with_the_token_is_served(served):
    with app(served, origin=WEB_APP) as one:
        one.subscribe("/outputs")
        one.until(lambda: "/outputs" in one.messages)


def test_without_control_no_web_app_is_served(served):
    server = Server(served.source)
    try:
        for token in ("", None, "x"):
            with pytest.raises(InvalidStatus, match="403"), app(server, token=token, origin=WEB_APP):
                pass
        with app(server, token=None) as one:
            assert one.channels
    finally:
        server.close()


def wrong_messages(rng, count):
    """Wrong messages: bytes, broken JSON, wrong types, numbers out of range, operations that are not offered."""
    values = [None, True, -1, 1.5, 2**40, 10**30, "x" * 300, [], {}, [[]], [{}], [1], ["x"], {"id": 0}, "\ud800"]
    ops = ["subscribe", "unsubscribe", "setParameters", "getParameters", "subscribeParameterUpdates", "advertise",
           "fetchAsset", "subscribeConnectionGraph", "", None, [], {}, 7]  # fmt: skip
    keys = ["subscriptions", "subscriptionIds", "parameters", "parameterNames", "id", "channelId", "name", "value"]
    for k in range(count):
        kind = k % 5
        if kind == 0:
            yield rng.randbytes(rng.randrange(60))
        elif kind == 1:
            yield rng.choice(["", "{", "nul", "[" * 3000, "NaN", "[]", "3", '"op"', '{"op": 1' + "0" * 5000 + "}"])
        elif kind == 2:
            wrong = [{"id": rng.choice(values), "channelId": rng.choice([99, -1, *values])} for _ in range(3)]
            yield json.dumps({"op": "subscribe", "subscriptions": wrong})
        elif kind == 3:
            wrong = [{"name": rng.choice([BIAS, *values]), "value": rng.choice([9.0, float("nan"), "1", None, True])}]
            yield json.dumps({"op": "setParameters", "parameters": wrong, "id": rng.choice(values)})
        else:
            yield json.dumps({"op": rng.choice(ops), **{key: rng.choice(values[:4]) for key in keys}})


def test_wrong_messages_are_answered_and_end_nothing(served, monkeypatch):
    monkeypatch.setattr(server_module, "REFUSED_S", 0.0)
    messages = list(wrong_messages(random.Random(5), 500))
    with app(served) as one:
        for message in messages:
            one.connection.send(message)
            assert one.text("status")["level"] == 2
        assert served.refused == len(messages)
        one.subscribe("/outputs")
        one.until(lambda: "/outputs" in one.messages)
    assert not served.ended.is_set()
    assert served.source.controller.tuned[BIAS] == 1.5


def test_a_client_that_never_reads_loses_frames_and_stops_nobody(scanner):
    with app(scanner, waiting=1) as slow, Client(scanner.url) as page:
        slow.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.subscribe(*slow.channels)
        header, _ = until(page, lambda h, a: max(one.dropped for one in scanner._clients) > 3, 30.0)
        assert header["dropped"] == 0


def test_another_scene_has_other_channels(served):
    with app(served) as one:
        one.subscribe("/outputs", "/status")
        one.say("subscribeParameterUpdates", parameterNames=[])
        one.until(lambda: {"/outputs", "/status"} <= set(one.messages))
        first = {channel["id"] for channel in one.channels.values()}
        served.source.changes += 1  # as when a training has a new controller
        assert set(one.text("unadvertise")["channelIds"]) == first
        one.channels = {channel["topic"]: channel for channel in one.text("advertise")["channels"]}
        assert first.isdisjoint(channel["id"] for channel in one.channels.values())
        assert [p["value"] for p in one.text("parameterValues")["parameters"]] == [1.5]
        one.say("unsubscribe", subscriptionIds=list(one.topics))  # as an app does
        one.messages.clear()
        one.subscribe("/outputs")
        one.until(lambda: "/outputs" in one.messages)
        assert "/status" not in one.messages
    assert served.refused == 0


def test_pictures_of_events_and_images():
    channels = Channels({
        "period": 0.01, "dt": 0.01, "populations": [], "outputs": [],
        "inputs": [{"name": "camera", "kind": "events", "size": [3, 2]},
                   {"name": "view", "kind": "value", "size": 6, "grid": [3, 2]}],
    })  # fmt: skip
    arrays = {"events.camera": np.array([[0, 1, -1], [9, 0, 0]], "i1"), "value.view": np.arange(0, 300, 50.0)}
    made = {one.topic: one.make for one in channels.all}
    for name, pixels in (("camera", [128, 170, 86, 255, 128, 128]), ("view", [0, 50, 100, 150, 200, 250])):
        [(_, message)] = made[f"/inputs/{name}"](Frame({"ticks": 1}, arrays, 0))
        assert (message["width"], message["height"], message["encoding"]) == (3, 2, "mono8")
        assert list(base64.b64decode(message["data"])) == pixels


@pytest.mark.parametrize(("field", "angles"), [
    ("ranges[-90deg:90 deg]", [-np.pi / 2, np.pi / 2]), ("ranges[angle=-1:.5]", [-1, 0.5]), ("ranges[:]", None),
    ("ranges[0:10]", None), ("ranges", None),
])  # fmt: skip
def test_a_scan_needs_its_angles(field, angles):
    ros = {"inputs": {"state": {"topic": "scan", "type": "sensor_msgs/msg/LaserScan", "field": field}}}
    spec = parse_spec(FILE | {"ros": ros})
    [one] = scene_of(Controller.from_spec(spec), spec, "a run")["inputs"]
    assert one["angles"] == (angles and pytest.approx(angles))


def test_the_label_of_an_output_is_its_path_in_a_message():
    outputs = [{"name": "wheels", "labels": ["left", "right"]}, {"name": "arm", "labels": ["arm[0]", "arm[1]"]},
               {"name": "gripper", "labels": ["left"]}]  # fmt: skip
    scene = {"period": 0.01, "dt": 0.01, "populations": [], "inputs": [], "outputs": outputs}
    rows = np.array([[0, 0, 0, 0, 0], [1, 2, 3, 4, 5.0]])
    (before, first), (ns, message) = Channels(scene).all[0].make(Frame({}, {"command": rows}, 10**9))
    assert (before, ns) == (990_000_000, 10**9)
    assert first["right"] == 0
    assert [message["left"], message["right"], *message["arm"], message["gripper.left"]] == [1, 2, 3, 4, 5]
