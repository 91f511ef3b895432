"""How old a message is: the rules against a plain model, and against the clock over DDS."""

from __future__ import annotations

import time

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.controller_file import RosTopic
from snn_control.engine.compile import compile_function
from snn_control.engine.memory import i64
from snn_control.engine.slots import SLOT_WORDS, STAMP
from snn_control.errors import DescriptionError
from snn_control.realtime.port import REALTIME
from snn_control.ros.messages.path_program import compile_path
from snn_control.ros.ports import base
from snn_control.ros.ports.base import AGES, WORDS, available_since, begin_take
from snn_control.ros.ports.numeric import NumericInput
from snn_control.ros.ports.topics import host_of
from tests.ros.calling import call
from tests.ros.node_processes import wait
from tests.ros.slots import QOS, Slot

S, MS = 10**9, 10**6
HOST, OTHERS = 0x0F01 | 7 << 16, 0x0F01 | 9 << 16


def _known(context, slot, stamp, now):
    return available_since(context, i64(slot, SLOT_WORDS), stamp, now, REALTIME)


def _look(context, now):
    begin_take(i64(context, WORDS), now, REALTIME)


class Judge:
    """The context of an input without a subscription: times of publication and the clock that they are from."""

    def __init__(self, rule: str, host: int = HOST) -> None:
        self.block, self.info, self.slot = (np.zeros(n, np.int64) for n in (base.WORDS, 32, SLOT_WORDS))
        self.slot[STAMP] = -1
        self.block[[base.INFO, base.RULE, base.HOST]] = self.info.ctypes.data, AGES[rule], host
        self.real = 0

    def look(self, now: int) -> None:
        compile_function(_look, "void(int64,int64)")(self.block.ctypes.data, now)

    def age(self, published_ago: int, stamped_ago: int | None = None, publisher: int = HOST, now: int = 10**15) -> int:
        """Age of a message that was published and stamped so long ago [ns], by the publisher's clock; -1: refused."""
        before = self.before = time.time_ns()
        self.info[[base.PUBLISHED_AT, base.GID]] = before - published_ago, publisher
        if publisher != self.block[base.SENDER]:  # as `next_message` does
            self.block[[base.SENDER, base.SINCE]] = publisher, 0
        stamp = -1 if stamped_ago is None else max(before - stamped_ago, 0)
        arguments = (self.block.ctypes.data, self.slot.ctypes.data, stamp, now)
        known = compile_function(_known, "int64(int64,int64,int64,int64)")(*arguments)
        self.slack = time.time_ns() - before
        return -1 if known == base.REJECTED else now - known

    def says(self, expected: int, *arguments: int | None, **options: int) -> bool:
        got = self.age(*arguments, **options)
        return got == expected if expected < 0 else expected <= got <= expected + self.slack


@pytest.mark.parametrize("waited", [0, 3 * MS, 5 * S, 86_400 * S])
def test_a_publisher_of_this_machine_is_judged_by_its_clock(waited):
    assert Judge("arrival").says(waited, waited)
    assert Judge("older").says(waited, waited, 0)
    assert Judge("older").says(waited + S, waited, waited + S)
    assert Judge("stamp").says(waited, 0, waited)


def test_a_clock_of_another_machine_need_not_agree():
    for offset in (-3600 * S, -20 * MS, 0, 20 * MS, 3600 * S):
        judge = Judge("arrival")
        judge.look(10**15)
        assert judge.age(offset + MS, publisher=OTHERS) <= judge.slack  # the first: nothing to compare with
        first = judge.slack
        assert judge.age(offset, publisher=OTHERS) <= 2 * judge.slack  # the quickest so far
        assert judge.age(offset + 700 * MS, publisher=OTHERS) >= 699 * MS - first


def test_the_first_message_of_a_stranger_may_be_as_old_as_nobody_looked():
    judge = Judge("arrival")
    judge.look(10**15)
    judge.look(10**15 + 5 * S)
    assert judge.age(0, publisher=OTHERS) >= 5 * S
    assert judge.age(0, publisher=OTHERS + (1 << 40)) >= 5 * S  # another one
    judge.look(10**15 + 5 * S + MS)
    assert judge.age(0, publisher=OTHERS + (2 << 40)) <= 2 * MS
    unknown = Judge("arrival", host=-1)
    unknown.look(10**15)
    unknown.look(10**15 + 2 * S)
    assert unknown.age(0) >= 2 * S  # the middleware does not tell machines apart


def test_a_step_of_the_clock_is_forgotten_after_two_windows_of_watching():
    judge, now = Judge("arrival"), 10**15
    judge.look(now)
    judge.age(0, publisher=OTHERS)
    fresh_from = None
    for k in range(1, 600):  # our clock went ahead by an hour; a message each 50 ms
        judge.look(now := now + 50 * MS)
        if judge.age(3600 * S, publisher=OTHERS) < S:
            fresh_from = k
            break
    assert 10 * S <= fresh_from * 50 * MS <= 21 * S
    paused = Judge("arrival")
    paused.look(10**15)
    paused.age(0, publisher=OTHERS)
    for k in range(1, 100):  # pauses of an hour do not count as watching
        paused.look(10**15 + 3600 * S * k)
        assert paused.age(3600 * S, publisher=OTHERS) >= 3599 * S


@settings(max_examples=200)
@given(
    rule=st.sampled_from(["stamp", "older"]),
    ages=st.lists(st.none() | st.integers(-3 * base.FUTURE_NS, 3 * S), min_size=1, max_size=8),
    published=st.integers(0, S),
)
def test_stamps_of_the_past_the_future_and_none(rule, ages, published):
    judge, newest, refused = Judge(rule), -1, 0
    for stamped in ages:
        got = judge.age(published, stamped)
        refused += got < 0
        stamp = -1 if stamped is None else judge.before - stamped
        if stamped is None:
            expected = -1 if rule == "stamp" else published
        elif stamp < newest or stamped < -base.FUTURE_NS - judge.slack:
            expected = -1
        elif stamped < -base.FUTURE_NS:
            continue  # refused or not by when it was looked at
        else:
            expected = max(stamped, 0, published if rule == "older" else 0)
        if expected < 0:
            assert got == -1
        else:
            assert expected <= got <= expected + judge.slack
            judge.slot[STAMP] = newest = max(stamp, newest)
    assert judge.block[[base.UNSTAMPED, base.FUTURE, base.BACKWARDS]].sum() == refused


@pytest.mark.parametrize("rule", ["stamp", "older"])
def test_an_older_stamp_than_the_held_one_is_believed_where_the_clocks_were_set_back(rule):
    judge = Judge(rule)
    judge.slot[STAMP] = time.time_ns() - 2 * MS
    assert judge.says(-1, 0, 5 * S)
    judge.slot[STAMP] = time.time_ns() + 3600 * S  # of an hour that is yet to come
    assert judge.says(MS, 0, MS)


def test_over_dds_what_waited_in_the_queue_is_as_old_as_it_is(nodes):
    io, other = nodes
    subscription = io.create_subscription(TwistStamped, "aged", lambda message: None, QOS)
    publisher = other.create_publisher(TwistStamped, "aged", QOS)
    slot = Slot(1)
    port = NumericInput(
        subscription, compile_path(TwistStamped, "twist.linear.x"), slot.address, slot.values.ctypes.data, 1
    )
    wait(lambda: port.matched() == 1 and publisher.get_subscription_count() == 1)
    for host in (host_of(io, "/aged"), -1):
        port.judge_ages("arrival", host)
        port.clear()
        assert host != 0
        call(port, time.monotonic_ns(), 0)
        publisher.publish(TwistStamped())
        published = time.monotonic_ns()
        time.sleep(0.3)
        taken = port.counters()["taken"]
        while port.counters()["taken"] == taken:
            call(port, time.monotonic_ns(), 0)
        arrival = slot.header[5]
        assert abs(arrival - published) < 250 * MS  # not when it was taken, 0.3 s later


def test_a_rule_that_is_none_is_refused():
    with pytest.raises(DescriptionError, match=r"age = 'sensor': must be 'arrival', 'stamp' or 'older'"):
        RosTopic("a", "sensor_msgs/msg/Imu", "x", age="sensor")
