"""Compiled functions of the tests: calls through addresses, as a loop does them, and the writer of one number.

They are in their own module, which imports only what they are compiled from.
"""

from __future__ import annotations

from snn_control.engine.compile import compile_function
from snn_control.engine.memory import call3
from snn_control.ros.messages.field_limits import put_row
from snn_control.ros.messages.numbers import put_number
from snn_control.ros.messages.rounding import ROW


def call_port(function, context, a, b):
    return call3(function, context, a, b)


def call(port, a, b):
    """Call a port."""
    return compile_function(call_port, "int64(int64,int64,int64,int64)")(port.function, port.context, a, b)


def _put(address, kind, value):
    put_number(address, kind, value)


def put(address, kind, value):
    """`put_number`, compiled."""
    compile_function(_put, "void(int64,int64,float64)")(address, kind, value)


def _put_rows(row, n, final):
    for _ in range(n):
        put_row(row, final)
        row += 8 * ROW


def put_rows(rows, final=False):
    """`put_row` of each row, compiled."""
    compile_function(_put_rows, "void(int64,int64,boolean)")(rows.ctypes.data, len(rows), final)
