"""Compiled functions of the tests: calls through addresses, as a loop does them, and the writer of one number.

They stand in a module of their own, whose imports are only what they are compiled from.
"""

from __future__ import annotations

from snn_control.engine.compile import compile_function
from snn_control.engine.memory import call3
from snn_control.ros.cdr import put_number
from snn_control.ros.limits import ROW, put_row
from snn_control.ros.sectors import reduce_sectors


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


def _put_rows(row, n, parting):
    for _ in range(n):
        put_row(row, parting)
        row += 8 * ROW


def put_rows(rows, parting=False):
    """`put_row` of each row, compiled."""
    compile_function(_put_rows, "void(int64,int64,boolean)")(rows.ctypes.data, len(rows), parting)


def _reduce(values, n, out, size, how, rules, counters):
    reduce_sectors(values, n, out, size, how, rules, counters)


def reduce(values, out, how, rules, counters):
    """`reduce_sectors` of arrays, compiled."""
    run = compile_function(_reduce, "void(int64,int64,int64,int64,int64,int64,int64)")
    run(values.ctypes.data, len(values), out.ctypes.data, len(out), how, rules.ctypes.data, counters.ctypes.data)
