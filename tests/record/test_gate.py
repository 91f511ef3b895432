"""A gate before two recorders: closed they record nothing, open what they record without it."""

import numpy as np

from snn_control import Controller
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.record.gate import Gate
from snn_control.record.input_recorder import InputLogRecorder


def test_recorders_behind_a_gate_record_while_it_is_open():
    controller = Controller.load("cartpole")

    def recorders():
        return ActivityRecorder(controller.bound, 100, 10_000), InputLogRecorder(controller.bound, 100, 1, 1 << 20, 0)

    behind, free = recorders(), recorders()
    gate = Gate(*behind)
    controller.observers += (gate, *free)

    def run(ticks):
        for k in range(ticks):
            controller.step({"observation": [0.0, 0.1 * k, 0.02, 0.0]})

    run(5)
    assert [behind[0].totals(), behind[1].total] == [(0, 0), 0]
    gate.open(True)
    begin = free[0].totals()
    run(30)
    end = free[0].totals()
    gate.open(False)
    run(5)
    assert behind[0].totals() == (30, end[1] - begin[1])
    assert end[1] > begin[1]
    theirs, ours = free[0].part(begin, end), behind[0].part((0, 0), behind[0].totals())
    assert all(np.array_equal(theirs[key], ours[key]) for key in theirs)
    theirs, ours = free[1].part(5, 35), behind[1].part(0, 30)
    assert np.array_equal(theirs.control, ours.control)
    assert np.array_equal(theirs.inputs["observation"]["values"], ours.inputs["observation"]["values"])
