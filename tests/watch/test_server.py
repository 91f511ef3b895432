"""A watched world: what the page gets, what it can do, and who is refused."""

import json
import socket
import time
import urllib.error
import urllib.request

import gymnasium
import numpy as np
import pytest

from snn_control import Controller
from snn_control.controller_file import load_spec, parse_spec
from snn_control.errors import InputError, RuntimeFault
from snn_control.record.replay import replay_log
from snn_control.resources import controller_path
from snn_control.watch import Client
from snn_control.watch.protocol import PART
from snn_control.watch.server import MAX_REQUESTS, Server
from snn_control.watch.world import WorldRun

pytest.importorskip("websockets")

BIAS = "network.populations.hidden.bias"
FILE = {
    "version": 1, "period": 0.02, "dt": 0.005,
    "inputs": {"state": {
        "kind": "value", "size": 4, "range": [-3, 3], "encoder": {"type": "population", "neurons": 8}}},
    "network": {
        "populations": {"hidden": {"size": 20, "neuron": {"type": "lif"}, "bias": {"value": 1.5, "tunable": [0, 3]}}},
        "projections": [{"pre": "state", "post": "hidden", "weights": 0.5}],
    },
    "outputs": {"push": {"decoder": {"type": "argmax", "actions": 2, "terms": [
        {"type": "linear", "from": "hidden", "weights": [[0.1, -0.1]] * 20, "tau": 0.05}]}}},
}  # fmt: skip


@pytest.fixture
def served():
    one = load_spec(controller_path("cartpole"))
    run = WorldRun(Controller.from_spec(one), one, lambda: gymnasium.make("CartPole-v1"), "cartpole")
    server = Server(run, control=True)
    yield server, run
    server.close()
    run.close()


def until(client, condition, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        header, arrays = client.frame()
        if condition(header, arrays):
            return header, arrays
    raise AssertionError("the condition was not met in time")


def first_step(client, seed):
    """Begin an episode of a run that is paused, and return the header of a frame after its first step."""
    client.act("reset", seed=seed)
    client.act("step", steps=1)
    return until(client, lambda h, a: h["episode"]["seed"] == seed and h["episode"]["steps"])[0]


def test_frames_have_the_spikes_of_the_run(served):
    server, run = served
    with Client(server.url) as client:
        assert client.scene["title"] == "cartpole"
        assert {p["name"] for p in client.scene["populations"]} >= {
            p.name for p in run.controller.program.facts.populations
        }
        total, counted = 0, None
        client.act("pause")
        client.act("reset", seed=3)
        client.act("step", steps=40)
        header, arrays = until(client, lambda h, a: h["episode"]["seed"] == 3)
        total += len(arrays["spike_step"])
        while header["episode"]["steps"] < 40:
            header, arrays = client.frame()
            total += len(arrays["spike_step"])
        counted = sum(header["spikes"].values())
        assert counted > 0
        assert total == counted


def test_steps_of_the_page_are_those_of_the_controller(served):
    server, run = served
    with Client(server.url) as client:
        client.act("pause")
        client.act("reset", seed=5)
        client.act("step", steps=25)
        header, _ = until(client, lambda h, a: h["episode"]["seed"] == 5 and h["episode"]["steps"] == 25)
        command = run.controller.bound.array("command").copy()
    alone, env = Controller.load("cartpole"), gymnasium.make("CartPole-v1")
    observation, _ = env.reset(seed=5)
    for _ in range(25):
        observation, *_ = env.step(alone.act(observation, env.action_space))
    assert header["spikes"] == alone.counters()["spikes"]
    assert np.array_equal(command, alone.bound.array("command"))


def test_a_stop_lasts_until_it_is_released(served):
    server, _ = served
    with Client(server.url) as client:
        client.act("pause")
        client.act("stop")
        for seed in (1, 2):  # also in the episodes that follow
            assert first_step(client, seed)["safe"]
        client.act("play")
        client.act("release")
        until(client, lambda h, a: not h["safe"])


def test_learning_stays_off_until_a_page_switches_it_on():
    one = load_spec(controller_path("arm"))
    run = WorldRun(Controller.from_spec(one), one, lambda: gymnasium.make("sim_worlds:ArmUnknownLoad-v0"), "arm")
    server = Server(run, control=True)
    try:
        with Client(server.url) as client:
            client.act("pause")
            for on in (False, True):
                client.act("learning", on=on)
                for seed in (1, 2):
                    assert set(first_step(client, seed)["learning"]) == {on}
    finally:
        server.close()
        run.close()


class NeverEnds(gymnasium.Wrapper):
    """A world whose episode goes on when it would end: with an episode a record begins anew."""

    def step(self, action):
        self.unwrapped.steps_beyond_terminated = None  # it would warn
        observation, reward, *_ = self.env.step(action)
        return observation, reward, False, False, {}


def test_a_run_that_a_page_changed_replays_to_the_bit():
    one = parse_spec(FILE)
    run = WorldRun(
        Controller.from_spec(one), one, lambda: NeverEnds(gymnasium.make("CartPole-v1", max_episode_steps=10**6)), "own"
    )
    server, rng = Server(run, control=True), np.random.default_rng(1)
    try:
        with Client(server.url) as client:
            client.act("pause")
            client.act("reset", seed=1)
            until(client, lambda h, a: h["episode"]["seed"] == 1)
            steps = 0
            for k in range(60):
                action = str(rng.choice(["tune", "stop", "release", "restart", "step"]))
                values = {"path": BIAS, "value": float(rng.uniform(0, 3))} if action == "tune" else {}
                client.act(action, **values)
                client.act("step", steps=1)
                steps += 1 + (action == "step")
                if k % 20 == 19:
                    client.frame()
            until(client, lambda h, a: h["episode"]["steps"] == steps)
            assert run.feed.activity.total == steps
    finally:
        server.close()
        run.close()
    found = replay_log(Controller.from_spec(one), run.feed.inputs.log(), run.feed.activity.arrays())
    assert found.ticks == run.feed.activity.total
    assert found.spikes > 0
    assert found.identical


def test_a_page_without_the_token_only_looks(served):
    server, _ = served
    with Client(f"http://127.0.0.1:{server.port}/") as client:
        assert not client.scene["control"]
        client.frame()
        with pytest.raises(InputError, match="may only look"):
            client.act("stop")
    with pytest.raises(RuntimeFault, match="401"):
        Client(f"http://127.0.0.1:{server.port}/#token=wrong")


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "evil.example:80"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
])  # fmt: skip
def test_foreign_hosts_and_origins_are_refused(served, headers):
    server, _ = served
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/", headers=headers)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)
    assert server.refused == 1


@pytest.mark.parametrize("path", ["/../server.py", "/%2e%2e/server.py", "/none.js", "//etc/passwd", "/..\\server.py"])
def test_paths_outside_of_the_page_are_not_served(served, path):
    server, _ = served
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        assert b" 404 " in connection.recv(200)


def test_the_page_and_its_modules_are_served(served):
    server, _ = served
    for name in ("", "main.js", "style.css", "icon.svg"):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/{name}") as answer:
            assert answer.status == 200
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert len(answer.read()) > 100


@pytest.mark.parametrize("message", [
    "", "{", "[]", "null", '{"op": "act"}', '{"op": "act", "action": "fly"}', '{"op": "look"}',
    '{"op": "look", "names": [1]}', '{"op": "look", "names": ["nobody"]}', r'{"op": "look", "names": ["\ud800"]}',
    '{"op": "act", "action": "tune", "path": "x", "value": 1}', '{"op": "act", "action": "speed", "speed": 1e9}',
    '{"op": "act", "action": "reset", "seed": "no"}', "[" * 5000,
])  # fmt: skip
def test_wrong_messages_are_refused_and_the_run_goes_on(served, message):
    server, _ = served
    with Client(server.url) as client:
        client._connection.send(message)
        while isinstance(answer := client._connection.recv(5.0), bytes):
            pass
        assert json.loads(answer)["op"] == "error"
        first, _ = client.frame()
        until(client, lambda h, a: h["sent"] > first["sent"])
    assert server.refused == 1


class Filed:
    """A record of random bytes."""

    data = np.random.default_rng(1).bytes(10_000_000)
    changes = 0

    def scene(self):
        return {"kind": "record", "populations": []}

    def frames(self):
        return []

    def look(self, names):
        pass


@pytest.fixture
def filed():
    server = Server(Filed())
    yield server
    server.close()


def test_a_record_is_fetched_in_parts(filed):
    address, got = f"http://127.0.0.1:{filed.port}/record.bin", b""
    while True:
        with urllib.request.urlopen(f"{address}?from={len(got)}") as answer:
            part = answer.read()
        if not part:
            break
        assert len(part) <= PART
        got += part
    assert got == Filed.data
    for wrong in ("", "?from=", "?from=-1", "?from=x", "?from=9999999999999999999"):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(address + wrong)


def test_files_that_nobody_reads_take_bounded_memory_and_are_refused(filed):
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    before, waiting = resident(), []
    try:
        while not filed.refused:
            assert len(waiting) <= MAX_REQUESTS
            waiting.append(socket.create_connection(("127.0.0.1", filed.port)))
            waiting[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            request = f"GET /record.bin?from=0 HTTP/1.1\r\nHost: 127.0.0.1:{filed.port}\r\n\r\n"
            waiting[-1].sendall(request.encode())
            waiting[-1].recv(1)
        assert resident() - before < 3 * MAX_REQUESTS * PART
    finally:
        for one in waiting:
            one.close()
    end = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{filed.port}/") as answer:
                assert answer.status == 200
            break
        except urllib.error.HTTPError:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_client_that_never_reads_does_not_stop_the_others(served):
    server, _ = served
    with Client(server.url) as slow, Client(server.url) as client:
        slow._connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow._connection.close_timeout = 0.5
        begin = time.monotonic()
        frames = 0
        while time.monotonic() < begin + 1.0:
            client.frame()
            frames += 1
    assert frames > 15
    assert time.monotonic() < begin + 8.0  # nor does it wait for what it did not read


def test_a_world_that_cannot_be_made_is_an_error_in_its_frames():
    one = parse_spec(FILE)
    run = WorldRun(Controller.from_spec(one), one, lambda: 1 / 0, "own")
    server, begin = Server(run), time.monotonic()
    try:
        with Client(server.url) as client:
            until(client, lambda h, a: "ZeroDivisionError" in h["error"] and h["paused"])
        assert time.monotonic() < begin + 5.0
    finally:
        server.close()
        run.close()


class Disturbed(gymnasium.Wrapper):
    """A world that can be disturbed, once."""

    def __init__(self):
        super().__init__(gymnasium.make("CartPole-v1"))
        self.env.unwrapped.disturbances = {"push": self.push, "break": lambda: 1 / 0}

    def push(self):
        self.env.unwrapped.state = np.array([0.0, 0.0, 0.1, 0.0])


def test_a_world_is_disturbed_and_its_errors_are_answers():
    one = parse_spec(FILE)
    run = WorldRun(Controller.from_spec(one), one, Disturbed, "own")
    server = Server(run, control=True)
    try:
        with Client(server.url) as client:
            assert client.scene["disturbances"] == ["push", "break"]
            client.act("pause")
            client.act("disturb", name="push")
            until(client, lambda h, a: {"kind": "disturb", "text": "push"}.items() <= (h["marks"] or [{}])[-1].items())
            client.act("step", steps=2)  # the first has the observation from before
            until(client, lambda h, a: "value.state" in a and abs(a["value.state"][2] - 0.1) < 1e-6)
            with pytest.raises(InputError, match="ZeroDivisionError"):
                client.act("disturb", name="break")
            with pytest.raises(InputError, match="did you mean 'push'"):
                client.act("disturb", name="puch")
    finally:
        server.close()
        run.close()


def test_a_record_is_saved_and_a_disk_that_refuses_is_an_answer(served, tmp_path, monkeypatch):
    server, _ = served
    monkeypatch.chdir(tmp_path)
    with Client(server.url) as client:
        for name in ("watch", "watch_2"):
            assert client.act("snapshot")["text"] == f"written: runs/{name}.npz"
            assert (tmp_path / "runs" / f"{name}_shown.npz").is_file()
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "runs").touch()
        monkeypatch.chdir(tmp_path / "full")
        with pytest.raises(InputError, match="File exists"):
            client.act("snapshot")
        client.frame()
