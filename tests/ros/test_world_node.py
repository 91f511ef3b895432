"""The world node as a process: alone, with a robot that plays the controller, and with the controller itself."""

from __future__ import annotations

import signal
import sys
import time

import gymnasium
import numpy as np
import pytest
import yaml
from geometry_msgs.msg import TwistStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from snn_control.controller import Controller
from snn_control.errors import counted
from snn_control.record.run_folder import read_record
from snn_control.resources import shipped
from snn_control.ros.nodes.world_node import WorldNode
from tests.ros.node_processes import Mistakes, wait, within
from tests.ros.robot import OK, changed, stamp_of, write

CARTPOLE = yaml.safe_load(shipped("cartpole").read_text()) | {
    "ros": {
        "inputs": {"observation": {"topic": "obs", "type": "std_msgs/msg/Float64MultiArray", "field": "data[:]"}},
        "outputs": {"push": {"topic": "push", "type": "std_msgs/msg/Float64MultiArray", "field": "data[0]"}},
    }
}
STEP = 0.02
SENSOR = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)


MISTAKES = {
    "nothing given": ({"world": ""}, None, ["world = ''", "must be given", "-p world:="]),
    "missing file": ({"controller_file": "no.yaml"}, None, ["no.yaml", "cannot be read"]),
    "unknown key": ({}, ("ros.inputs.observation.tipic", "a"), ["ros.inputs.observation.tipic", "not a known key"]),
    "unknown world": ({"world": "CartPole-v99"}, None, ["world = 'CartPole-v99'", "cannot be made"]),
    "module not there": ({"world": "no_such:Thing-v0"}, None, ["world = 'no_such:Thing-v0'", "cannot be made"]),
    "unknown argument": ({"arguments": "{gravty: 1.0}"}, None, ["'CartPole-v1'", "'gravty': 1.0", "cannot be made"]),
    "arguments": ({"arguments": "[1"}, None, ["arguments = '[1'", "must be a YAML mapping"]),
    "mode": ({"mode": "fast"}, None, ["mode = 'fast'", "'realtime' or 'lockstep'"]),
    "seed": ({"seed": -1}, None, ["seed = -1", "a whole number in [0, "]),
    "size of the input": ({"world": "Pendulum-v1"}, None, ["inputs.observation.size = 4", "the environment's: 3"]),
    "size of the action": (
        {},
        ("outputs.second", {"decoder": {"type": "membrane", "from": "action", "weights": [[1.0], [1.0]]}}),
        ["outputs = 'push (1), second (1)'", "as many numbers as the environment's action: 1"],
    ),
    "speed by the clock": ({"speed": 2.0}, None, ["speed = 2", "is for lockstep", "leave it out"]),
    "step and period": ({"mode": "lockstep", "step": 0.01}, None, ["period = 0.02", "in lockstep: 0.01 s"]),
    "no topic": ({}, ("ros.outputs", {}), ["ros.outputs.push: is missing"]),
    "no such field": ({}, ("ros.outputs.push.field", "dat[0]"), ["ros.outputs.push.field = 'dat'", "did you mean"]),
    "record": ({"record": "/proc/none/w.npz"}, None, ["record = '/proc/none/w.npz'", "cannot be written"]),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    cases = {
        name: ({"world": "CartPole-v1"} | parameters, changed(CARTPOLE, *change) if change else CARTPOLE)
        for name, (parameters, change, _) in MISTAKES.items()
    }
    return Mistakes(tmp_path_factory.mktemp("mistakes"), "world_node", cases)


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_with_path_value_rule_and_fix(outcomes, case):
    assert outcomes.check(case, MISTAKES[case][2]).startswith("snn_control: ")


def test_lockstep_balances_as_in_process_to_the_bit(tmp_path, start, robot):
    file = write(tmp_path, CARTPOLE)
    times = []
    clock = robot.listen(Clock, "/clock", lambda m: times.append(m.clock.sec * 10**9 + m.clock.nanosec))
    begin = time.monotonic()
    world = start(
        "world_node", world="CartPole-v1", controller_file=str(file), mode="lockstep", seed=3, duration=10.0,
        record=str(tmp_path / "world.npz"),
    )  # fmt: skip
    wait(lambda: clock.get_publisher_count() > 0)
    controller = start("controller_node", controller_file=str(file), mode="lockstep")
    assert world.wait(30) == 0
    print(f"500 steps in lockstep, both starts included: {time.monotonic() - begin:.1f} s")
    assert controller.end() == 0
    arrays, facts = read_record(tmp_path / "world.npz")
    assert facts["steps"] == 500
    assert arrays["ends"].tolist() == [500]
    assert arrays["reward"].sum() == 500
    assert times == sorted(set(times))
    assert set(times) <= {round((k + 1) * STEP * 1e9) for k in range(500)}
    assert len(times) > 400

    plain, env = Controller.load(file), gymnasium.make("CartPole-v1")
    observation, _ = env.reset(seed=3)
    for k in range(499):
        action, _ = plain.predict(observation)
        assert action == arrays["action"][k]
        observation, *_ = env.step(action)
        np.testing.assert_array_equal(observation.astype(np.float64), arrays["observation"][k])


@pytest.mark.parametrize("stamped", [True, False])
def test_what_comes_beside_the_answers_in_lockstep_answers_nothing(tmp_path, start, robot, stamped):
    """The final safe command, say: it must not put every later answer a step late."""
    values = yaml.safe_load(shipped("cartpole").read_text())
    values["outputs"] = {"push": {"decoder": {"type": "membrane", "from": "action", "weights": [[1.0], [1.0]]}}}
    if stamped:
        observation = {"topic": "obs", "type": "sensor_msgs/msg/JointState", "field": "position[:]"}
        push = {"topic": "push", "type": "geometry_msgs/msg/TwistStamped", "field": "twist.linear.x"}
        values["ros"] = {"inputs": {"observation": observation}, "outputs": {"push": push}}
    else:
        values["ros"] = CARTPOLE["ros"]
    record, n, odd = tmp_path / "world.npz", 12, 5
    kinds = (JointState, TwistStamped) if stamped else (Float64MultiArray, Float64MultiArray)
    publisher = robot.publisher(kinds[1], "push")

    def command(value, stamp):
        if not stamped:
            return Float64MultiArray(data=[value])
        message = TwistStamped()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        message.twist.linear.x = value
        return message

    def answer(message):
        step = (message.position if stamped else message.data)[0]
        stamp = stamp_of(message) if stamped else 0
        if step == odd:
            publisher.publish(command(-1.0, stamp - round(STEP * 1e9)))
        publisher.publish(command(step, stamp))

    robot.listen(kinds[0], "obs", answer)
    wait_for = start(
        "world_node", world="tests.ros.slow_world:Slow-v0", controller_file=str(write(tmp_path, values)),
        mode="lockstep", duration=n * STEP, record=str(record), patience=5.0,
    )  # fmt: skip
    assert wait_for.wait() == 0, wait_for.text
    actions = read_record(record)[0]["action"].ravel().tolist()
    expected = [float(k) for k in range(n)]
    if not stamped:  # nothing tells it from the answer of its own step
        expected[odd] = -1.0
    assert actions == expected


@pytest.mark.timed
def test_real_time_keeps_its_rate_and_a_signal_leaves_a_whole_record(tmp_path, start, robot):
    file, record = write(tmp_path, CARTPOLE), tmp_path / "made" / "world.npz"
    world = start("world_node", world="CartPole-v1", controller_file=str(file), record=str(record))
    controller = start("controller_node", controller_file=str(file))
    times, tries = [], []
    robot.listen(Float64MultiArray, "obs", lambda m: times.append(time.monotonic()), SENSOR)

    def wrong():
        """Error of the period over the next 100 steps."""
        tries.append(len(times))
        wait(lambda: len(times) > tries[-1] + 100)
        return abs((times[tries[-1] + 100] - times[tries[-1]]) / 100 / STEP - 1)

    within(0.03, wrong)

    def reported():
        """Error of the next rate that the world reports."""
        status = robot.status("/world: world", after=time.monotonic(), text=" steps/s, 0 skipped", level=OK)
        return abs(float({p.key: p.value for p in status.values}["rate_hz"]) * STEP - 1)

    within(0.1, reported)
    ran = time.monotonic()
    assert world.end(signal.SIGTERM) == 0
    assert controller.end(signal.SIGTERM) == 0
    arrays, facts = read_record(record)
    assert len(arrays["step"]) == facts["steps"] >= 100
    ends = arrays["ends"]
    says = f"ends after {facts['steps']} steps, {counted(len(ends), 'whole episode')}, "
    says += f"mean return {ends[-1] / len(ends):g}, " if len(ends) else f"return {facts['steps']} so far, "
    assert f"{says}{facts['skipped']} skipped" in world.text  # each step gives 1
    heard = (min(times[-1], ran) - times[0]) / STEP
    assert heard - 10 <= facts["steps"] + facts["skipped"] <= (time.monotonic() - world.begun) / STEP
    assert len(arrays["observation"]) == facts["steps"]
    assert np.isfinite(arrays["observation"]).all()
    assert (arrays["action"] == 0).any()
    assert (arrays["action"] == 1).any()


@pytest.mark.timed
def test_a_command_holds_for_a_tenth_of_a_second(tmp_path, start, robot):
    values = yaml.safe_load(shipped("cartpole").read_text()) | {"ros": CARTPOLE["ros"]}
    file, push, seen = write(tmp_path, values), robot.publisher(Float64MultiArray, "push", 1), []

    def answer(message):
        seen.append(len(seen))
        if len(seen) <= 25:
            push.publish(Float64MultiArray(data=[1.0]))

    robot.listen(Float64MultiArray, "obs", answer, SENSOR)

    def held(record):
        """Actions of a world that got 25 answers of 1; whether each held until the next, the last for five steps."""
        seen.clear()
        world = start("world_node", world="CartPole-v1", controller_file=str(file), record=str(record))
        wait(lambda: push.get_subscription_count() > 0)
        time.sleep(0.3)
        assert not seen  # the world begins with the first command
        wait(lambda: seen or push.publish(Float64MultiArray(data=[0.0])))
        wait(lambda: len(seen) > 45)
        assert world.end() == 0
        wait(lambda: push.get_subscription_count() == 0)
        actions = read_record(record)[0]["action"].tolist()
        last = max(k for k, action in enumerate(actions) if action == 1)
        assert not any(actions[last + 1 :])
        return 27 <= sum(actions) <= 31

    assert any(held(tmp_path / f"world{k}.npz") for k in range(3))  # a busy machine may be late with an answer


def test_a_missing_controller_is_waited_for_and_then_named(tmp_path, start, robot):
    given = {"world": "CartPole-v1", "controller_file": str(write(tmp_path, CARTPOLE))}
    world = start("world_node", **given, patience=3.9)
    assert world.wait() == 1
    lines = world.text.splitlines()
    missing = "/obs: /world publishes std_msgs/msg/Float64MultiArray, nobody subscribes"
    assert "CartPole-v1: a step is 0.02 s (its `tau`), realtime" in lines[0]
    assert f"waiting: {missing}" in lines[1]
    assert f"waited 3.9 s: {missing}" in lines[-1]
    assert len(lines) == 3

    world = start("world_node", name="other", **given)
    robot.listen(Float64MultiArray, "obs", lambda m: None, SENSOR)
    wait(lambda: "waiting: /push: /other expects std_msgs/msg/Float64MultiArray, nobody publishes" in world.text)
    begin = time.monotonic()
    assert world.end(signal.SIGTERM) == 0
    assert time.monotonic() - begin < 5.0  # not its patience of a minute


def test_a_controller_that_dies_in_lockstep_is_named(tmp_path, start, robot):
    file, record = write(tmp_path, CARTPOLE), tmp_path / "world.npz"
    record.write_text("of another run")
    ticks: list[Clock] = []
    robot.listen(Clock, "/clock", ticks.append)
    controller = start("controller_node", controller_file=str(file), mode="lockstep")
    wait(lambda: "lockstep waits for a subscriber" in controller.text)
    world = start(
        "world_node", world="CartPole-v1", controller_file=str(file), mode="lockstep", record=str(record),
        patience=5.0,  # is for the discovery, too: what was lost of it is said again after 3 s
    )  # fmt: skip
    wait(lambda: len(ticks) > 5 or not world.alive)
    assert world.alive, world.text
    controller.send(signal.SIGKILL)
    assert world.wait() == 1
    assert "no command on push for 5 s in lockstep" in world.text
    assert read_record(tmp_path / "world_2.npz")[1]["steps"] > 0
    assert record.read_text() == "of another run"
    assert "Traceback" not in world.text


def test_an_environment_in_the_current_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "own_world.py").write_text(
        'import gymnasium\ngymnasium.register("InFolder-v0", "gymnasium.envs.classic_control:CartPoleEnv")\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    env = WorldNode._make(None, "own_world:InFolder-v0", "{render_mode: rgb_array}")
    assert (env.spec.id, env.render_mode) == ("InFolder-v0", "rgb_array")
