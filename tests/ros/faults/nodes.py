"""Faults of the node itself and of what it stands on: signals, transitions, files, disks, clocks, SIGKILL."""

from __future__ import annotations

import random
import resource
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from snn_control.ros import STOP_SIGNALS
from tests.ros.faults.messages import judged, last_live, settled
from tests.ros.faults.rig import PERIOD, SAFE, Listener, Rig, Stalls, Verdict, beyond, tell
from tests.ros.forks import die_with_the_parent

__all__ = ["NODES"]

SUPERVISE = 0.01  # s
SIGNALS = [signal.Signals(number) for number in STOP_SIGNALS]


def ask(listener: Listener, kind: Any, name: str, request: Any, seconds: float = 30.0) -> Any:
    """The answer of a service of the node."""
    client = listener.node.create_client(kind, f"/controller/{name}")
    if not client.wait_for_service(seconds):
        raise TimeoutError(f"{name} is not there")
    future, end = client.call_async(request), time.monotonic() + seconds
    while not future.done():
        if time.monotonic() > end:
            raise TimeoutError(f"{name} does not answer")
        time.sleep(0.002)
    listener.node.destroy_client(client)
    return future.result()


def signals(folder: Path, listener: Listener, stalls: Stalls, times: int, random_: random.Random) -> Verdict:
    """A signal at a random tick: the safe command, exit code 0, and no other command afterwards."""
    verdict = Verdict(times)
    for k in range(times):
        rig = Rig(folder)
        tell(rig.sensor(), "good")
        node, begin = rig.node(), time.time()
        rig.active(k + 1)
        if not settled(listener, begin):
            verdict.wrong.append("no command")
        time.sleep(random_.uniform(0.0, 0.3))
        sent = time.time()
        node.send_signal(SIGNALS[k % len(SIGNALS)])
        if (code := node.wait(30)) != 0:
            verdict.wrong.append(f"exit code {code} after {SIGNALS[k % len(SIGNALS)].name}")
        time.sleep(0.05)
        rows = listener.since(begin)
        verdict.note(last_live(rows, sent, stalls))
        verdict.commands += len(rows)
        verdict.broken += beyond(rows, stalls)
        if rows[-1, 1] != SAFE or rows[-1, 2] != 0.0:
            verdict.wrong.append(f"the last command is {rows[-1, 1:3]}")
        rig.close()
    return verdict


def starts(folder: Path, listener: Listener, stalls: Stalls, times: int, random_: random.Random) -> Verdict:
    """A signal at any moment of the first two seconds: no command but the safe one after it."""
    verdict, rig = Verdict(times), Rig(folder)
    tell(rig.sensor(), "good")
    for k in range(times):
        node = rig.node()
        time.sleep(random_.uniform(0.1, 2.0))
        sent = time.time()
        node.send_signal(SIGNALS[k % len(SIGNALS)])
        if (code := node.wait(30)) != 0:
            verdict.wrong.append(f"exit code {code}")
        time.sleep(0.05)
        verdict.note(last_live(listener.since(sent), sent, stalls))
    verdict.commands = len(listener.since(rig.zero))
    rig.close()
    return verdict


def lifecycle(folder: Path, listener: Listener, stalls: Stalls, times: int, random_: random.Random) -> Verdict:
    """Random transitions: commands while the node is active alone, and an end with the safe one."""
    from lifecycle_msgs.msg import State, Transition
    from lifecycle_msgs.srv import ChangeState, GetState

    inactive, active = State.PRIMARY_STATE_INACTIVE, State.PRIMARY_STATE_ACTIVE
    verdict, rig = Verdict(times), Rig(folder)
    tell(rig.sensor(), "good")
    node = rig.node()
    rig.active()
    steps = [Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP, Transition.TRANSITION_ACTIVATE,
             Transition.TRANSITION_DEACTIVATE]  # fmt: skip
    state = active
    for _ in range(times):
        time.sleep(random_.choice((0.0, 0.02, 0.1)))
        before = time.time()
        request = ChangeState.Request(transition=Transition(id=random_.choice(steps)))
        ask(listener, ChangeState, "change_state", request)
        now = ask(listener, GetState, "get_state", GetState.Request()).current_state.id
        if now == active and random_.random() < 0.5 and not settled(listener, before):  # until it is heard
            verdict.wrong.append("no command of an active node")
        if state == active and now == inactive:
            time.sleep(0.03)
            rows = listener.since(before)
            if len(rows) and (rows[-1, 1] != SAFE or rows[-1, 2] != 0.0):
                verdict.wrong.append("a deactivation that does not end safe")
            quiet = time.time()
            time.sleep(0.05)
            if len(listener.since(quiet)):
                verdict.wrong.append("commands while inactive")
        state = now
    rows = listener.since(rig.zero)
    verdict.broken, verdict.commands = beyond(rows, stalls), len(rows)
    node.send_signal(signal.SIGINT)
    if (code := node.wait(30)) != 0:
        verdict.wrong.append(f"exit code {code}")
    rig.close()
    return verdict


def running(disturb: Callable[..., None], **parameters: Any) -> Callable[..., Verdict]:
    """A fault that is injected into a node that runs, and must not change what it does."""

    def inject(folder: Path, listener: Listener, stalls: Stalls, times: int, random_: random.Random) -> Verdict:
        verdict, rig = (
            Verdict(times),
            Rig(folder, **{k: v(folder) if callable(v) else v for k, v in parameters.items()}),
        )
        tell(rig.sensor(), "good")
        node = rig.node(**({"preexec_fn": small_files} if "record" in parameters else {}))
        rig.active()
        settled(listener, rig.zero)
        time.sleep(2.0)
        with judged(verdict, listener, stalls, rig, node):
            begin = time.time()
            for k in range(times):
                time.sleep(random_.uniform(0.02, 0.2))
                disturb(rig, listener, verdict, k)
            rows = listener.since(begin + 0.1)
            if (safe := int((rows[:, 1] == SAFE).sum())) and stalls.within(begin, time.time()) == 0:
                verdict.wrong.append(f"{safe} safe commands without a fault")
        node.send_signal(signal.SIGINT)
        code, wanted = node.wait(60), 1 if "record" in parameters else 0
        if code != wanted:
            verdict.wrong.append(f"exit code {code}: must be {wanted}")
        rig.close()
        return verdict

    return inject


def small_files() -> None:
    """No file may become larger than some bytes: a disk that is full."""
    die_with_the_parent()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


def snapshot(rig: Rig, listener: Listener, verdict: Verdict, k: int) -> None:
    from std_srvs.srv import Trigger

    answer = ask(listener, Trigger, "snapshot", Trigger.Request())
    if answer.success or "cannot be written" not in answer.message:
        verdict.wrong.append(f"a snapshot on a full disk: {answer.message}")


def file_changed(rig: Rig, listener: Listener, verdict: Verdict, k: int) -> None:
    if k % 2:
        rig.file.unlink()
    else:
        rig.file.write_bytes(b"version: 1\nperiod: -3\n" if k % 4 else b"\xff\xfe {{{")


class Clock:
    """A clock of a simulation that jumps: a second forth, ten back, to negative times."""

    def __init__(self) -> None:
        self.publisher: Any = None

    def __call__(self, rig: Rig, listener: Listener, verdict: Verdict, k: int) -> None:
        from builtin_interfaces.msg import Time
        from rosgraph_msgs.msg import Clock as Message

        if self.publisher is None:
            self.publisher = listener.node.create_publisher(Message, "/clock", 10)
        times = (-1, 0, int(time.time()), 1, 2_147_483_647, -2_147_483_648, 100)
        self.publisher.publish(Message(clock=Time(sec=times[k % len(times)])))


def wait_for_safe(listener: Listener, begin: float, seconds: float = 2.0) -> None:
    """Wait for a safe command after a moment, also where the machine stands still meanwhile."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (listener.since(begin)[:, 1] == SAFE).any():
        time.sleep(0.01)


def supervisor(folder: Path, listener: Listener, stalls: Stalls, times: int, random_: random.Random) -> Verdict:
    """SIGSTOP and SIGKILL to a supervised node: its supervisor goes on to the safe command, and the node from there."""
    verdict, done = Verdict(times), 0
    while done < times:
        with tempfile.TemporaryDirectory() as own:
            rig = Rig(Path(own), supervise=SUPERVISE)
            tell(rig.sensor(), "good")
            node = rig.node()
            rig.active()
            time.sleep(3)  # until everything is matched
            for number in [*[signal.SIGSTOP] * min(4, times - done - 1), signal.SIGKILL]:
                time.sleep(random_.uniform(0.1, 0.4))
                sent = time.time()
                node.send_signal(number)
                wait_for_safe(listener, sent)
                time.sleep(0.2)
                rows = listener.since(sent)
                safe = rows[rows[:, 1] == SAFE, 0]
                own_last = max([sent, *rows[rows[:, 1] != SAFE, 0]])
                due = own_last + SUPERVISE + PERIOD  # one more period than the limit of other faults
                late = (min(safe) if len(safe) else np.inf) - due
                verdict.note(late - stalls.within(sent, max([sent, *safe[:1]])))
                if len(safe) and (rows[rows[:, 0] > min(safe), 1] != SAFE).any():
                    verdict.wrong.append("another command after the safe one")
                done += 1
                if node.poll() is not None:  # it was stopped while it published, and ended for it
                    break
                if number == signal.SIGSTOP:
                    node.send_signal(signal.SIGCONT)
                    time.sleep(0.2)
            node.wait()
            time.sleep(5.5)  # of its supervisor
            rows = listener.since(rig.zero)
            verdict.commands += len(rows)
            verdict.broken += beyond(rows, stalls, most=np.inf)
            if rows[-1, 1] != SAFE or rows[-1, 2] != 0.0:
                verdict.wrong.append(f"the last command is {rows[-1, 1:3]}")
            rig.close()
    return verdict


#: fault -> its injection, and how often more than others
NODES: dict[str, tuple[Callable[..., Verdict], int]] = {
    "a signal at a random tick": (signals, 1),
    "a signal while the node starts": (starts, 1),
    "random transitions": (lifecycle, 15),
    "disk full (snapshots and a record)": (running(snapshot, record=lambda folder: str(folder / "a.npz")), 1),
    "controller file changed, damaged, gone": (running(file_changed), 1),
    "a simulation's clock that jumps": (running(Clock(), use_sim_time=True), 1),
    "SIGSTOP and SIGKILL with a supervisor": (supervisor, 1),
}
