"""What is derived from the declaration of a kernel's row, shown by kernels defined here."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from snn_control.engine.kernels.spikes import Spikes
from snn_control.engine.operand_arrays import Array
from snn_control.engine.registry import builtin
from snn_control.engine.rows import Number, Scalars, Table, Word, count, flag, kernel, optional, read, scalar, written
from snn_control.errors import ProgramError
from snn_control.testing import call_kernel


def mixed_function(n, rows, y, x, extra, gain, pair, twice):
    """y = gain x + top + low + extra, in all."""
    for i in range(n):
        y[i] = gain * x[i] + rows.top[i] + pair.a + pair.b
        if extra.size > 0:
            y[i] += extra[i]
        if twice != 0:
            y[i] *= np.float32(2)


mixed_function.__annotations__ = {
    "n": count, "rows": Table("f32", "n", "top", "bottom"), "y": written("f32", "n"), "x": read("f32", "n + 1"),
    "extra": optional(read("f32", "n")), "gain": scalar("f32"), "pair": Scalars("f32", "a", "b"), "twice": flag,
}  # fmt: skip
mixed = kernel()(mixed_function)


def operands(n=3):
    x = np.arange(n + 1, dtype=np.float32)
    rows = np.stack([np.full(n, 10, np.float32), np.full(n, 20, np.float32)])
    return [n, rows, np.zeros(n, np.float32), x, 0, np.array([2], np.float32), np.array([0.5, 0.25], np.float32), 0]


def test_compiled_code_gets_views_of_the_words_and_an_optional_array_may_be_missing():
    given = operands()
    call_kernel(mixed.address, given)
    assert given[2].tolist() == [10.75, 12.75, 14.75]
    given[4], given[7] = np.array([1, 2, 3], np.float32), 1
    call_kernel(mixed.address, given)
    assert given[2].tolist() == [23.5, 29.5, 35.5]


def seen(operands):
    return [Array(o.view(np.uint8).reshape(-1)) if isinstance(o, np.ndarray) else o for o in operands]


def test_the_same_declaration_checks_the_operands():
    mixed.check(seen(operands()))
    for k, other, text in [
        (0, 0, "n 0: must be a number from 1 to"), (0, seen(operands())[1], "must be a number"),
        (0, 4, "an operand of 24 bytes: the kernel touches 8 x 4"), (1, 7, "operand 7: must be a place"),
        (2, 0, "operand 0: must be a place"), (3, np.zeros(3, np.float32), "touches 4 x 4"),
        (4, np.zeros(2, np.float32), "touches 3 x 4"), (4, 5, "operand 5: must be a place"),
        (5, np.zeros(0, np.float32), "touches 1 x 4"), (6, np.zeros(1, np.float32), "touches 2 x 4"),
        (7, 2, "twice 2: must be a number from 0 to 1"),
    ]:  # fmt: skip
        wrong = operands()
        wrong[k] = other
        with pytest.raises(ProgramError, match=text):
            mixed.check(seen(wrong))
    with pytest.raises(ProgramError, match="7 operands: must be 8: n, rows, y, x, extra, gain, pair, twice"):
        mixed.check(seen(operands())[:-1])
    double = seen(operands())
    double[2] = Array(np.zeros(24, np.uint8), dtype="<f8")
    with pytest.raises(ProgramError, match="y of dtype <f8: must be f32"):
        mixed.check(double)
    constant = seen(operands())
    constant[2].constant = True
    with pytest.raises(ProgramError, match="would write into the constants"):
        mixed.check(constant)


def refuses(n):
    if n > 3:
        raise ValueError("more than 3")


def allocates(n):
    np.zeros(n)


@pytest.mark.parametrize("function", [refuses, allocates])
def test_a_kernel_that_can_raise_is_refused_when_it_is_compiled(function):
    function.__annotations__ = {"n": count}
    with pytest.raises(ProgramError, match=rf"test_rows.{function.__name__}: can raise an exception.*; remove raise, "):
        _ = kernel()(function).address


def test_builders_name_the_words():
    given = dict(zip(mixed.words, range(8)))
    assert mixed.operands(given) == tuple(range(8))
    del given["extra"]
    assert mixed.operands(given)[4] == 0
    del given["x"]
    with pytest.raises(TypeError, match=r"kernel 'mixed_function': missing \['x'\], not known \['z'\]"):
        mixed.operands(given | {"z": 1})


def test_what_is_no_declaration_is_refused_where_it_stands():
    def plain(n: int):
        pass

    def long(**_):
        pass

    with pytest.raises(TypeError, match=r"plain: n is annotated with .*: must be a Word"):
        kernel()(plain)
    names = [f"x{k}" for k in range(24)]
    parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Number()) for n in names]
    long.__signature__ = inspect.Signature(parameters)
    with pytest.raises(TypeError, match="long: 24 words: a row has room for 23"):
        kernel()(long)


def test_every_kernel_says_what_it_does_and_has_each_word_once():
    for one in builtin("kernels").values():
        assert one.function.__doc__, one.name
        assert len(set(one.words)) == len(one.words), one.name
        assert all(isinstance(word, Word) for word in one.row.values())
    assert builtin("kernels")["dense_spikes"].words[3:9] == Spikes("n_pre").names("source")
