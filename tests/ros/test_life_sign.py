"""Signs of life: others hear the loop's, not the process's."""

from __future__ import annotations

import time

from std_msgs.msg import Header

from tests.ros.node_processes import run_to_end, wait
from tests.ros.robot import write


def test_alive_and_bond_follow_the_loop(interfaces, tmp_path, start, robot):
    from bond.msg import Status

    alive, bond = [], []
    robot.listen(Header, "/controller/alive", lambda m: alive.append((time.monotonic(), m)))
    robot.listen(Status, "/bond", lambda m: bond.append(m))
    robot.feed(robot.publisher(), 1.0, 0.0)
    process = start("controller_node", controller_file=str(write(tmp_path)), bond="bond")
    wait(lambda: len(alive) > 12 and len(bond) > 12)
    assert (alive[-1][0] - alive[2][0]) / (len(alive) - 3) < 0.2  # s
    assert alive[-1][1].frame_id == "/controller"
    assert {(m.id, m.active, m.instance_id) for m in bond} == {("controller", True, bond[0].instance_id)}
    assert (round(bond[0].heartbeat_period, 3), bond[0].heartbeat_timeout) == (0.1, 4.0)
    assert process.end() == 0
    wait(lambda: not bond[-1].active, what="the end of the bond")
    count = len(alive)
    time.sleep(0.3)
    assert len(alive) == count


def test_without_its_messages_a_bond_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)  # where another test may have put them
    code, lines = run_to_end(tmp_path, "controller_node", controller_file=str(write(tmp_path)), bond="bond")
    assert code == 2
    assert any("bond" in line and "install bond" in line for line in lines), lines
