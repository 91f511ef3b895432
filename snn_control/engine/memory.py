"""Access to memory by address, for compiled code: LLVM intrinsics with which kernels and ports are written.

The table of a bound Program contains addresses as int64. With these functions, compiled code

- gets an array view of an address, without a reference count: ``f32(address, n)``;
- reads and writes single values at any alignment, and prefetches memory;
- finds set flags and bits;
- calls a compiled function through its address.

The functions check nothing: `snn_control.engine.bound.bind` checks addresses once, when it writes them into the table.
"""

from __future__ import annotations

import inspect

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

I8, I16, I32, I64 = (ir.IntType(n) for n in (8, 16, 32, 64))
#: pointers of llvmlite before 0.44 (numba 0.61) carry the type of what they point to, and its loads take no other
TYPED_POINTERS = "typ" not in inspect.signature(ir.IRBuilder.load).parameters


def emitted(result, *arguments):
    """Return a decorator that makes a numba intrinsic from ``function(builder, *values)``, which emits LLVM code.

    result, arguments : numba's types of the intrinsic's result and of its arguments
    """

    def make(function):
        def gen(context, builder, sig, args):
            value = function(builder, *args)
            return context.get_dummy_value() if result is types.void else value

        names = ", ".join(f"a{k}" for k in range(len(arguments)))  # numba counts the parameters of an intrinsic
        scope = {"typed": (result(*arguments), gen)}
        exec(f"def {function.__name__}(typingctx, {names}):\n    return typed", scope)
        made = scope[function.__name__]
        made.__module__, made.__doc__ = function.__module__, function.__doc__
        return intrinsic(made)

    return make


def _pointer(builder, address, llvm_type):
    return builder.inttoptr(address, llvm_type.as_pointer())


def loaded_as(llvm_type):
    """Return the keyword arguments with which a load of llvmlite returns a value of this type."""
    return {} if TYPED_POINTERS else {"typ": llvm_type}


def _view(dtype):
    """Make the intrinsic ``view(address, n)``, which returns the n elements of ``dtype`` at an address as an array.

    The array does not own the memory.
    """
    array_type = types.Array(dtype, 1, "C")

    @intrinsic
    def view(typingctx, address, n):
        def gen(context, builder, sig, args):
            from numba.np.arrayobj import make_array, populate_array  # slow to import, and only compiling needs it

            address, n = args
            n = context.cast(builder, n, sig.args[1], types.intp)
            array = make_array(array_type)(context, builder)
            item = context.get_data_type(dtype)
            size = context.get_constant(types.intp, context.get_abi_sizeof(item))
            data = builder.inttoptr(address, ir.PointerType(item))
            populate_array(array, data=data, shape=[n], strides=[size], itemsize=size, meminfo=None)
            return array._getvalue()

        return array_type(types.int64, types.int64), gen

    return view


u8, u16, u32, u64 = _view(types.uint8), _view(types.uint16), _view(types.uint32), _view(types.uint64)
i8, i32, i64 = _view(types.int8), _view(types.int32), _view(types.int64)
f32, f64 = _view(types.float32), _view(types.float64)


def _load(numba_type, llvm_type, extend=None):
    """Make the intrinsic ``load(address)``, which reads a number at any alignment. It returns integers as int64."""

    @emitted(numba_type, types.int64)
    def load(builder, address):
        value = builder.load(_pointer(builder, address, llvm_type), **loaded_as(llvm_type))
        value.align = 1
        return getattr(builder, extend)(value, I64) if extend else value

    return load


def _store(numba_type, llvm_type, narrow=False):

    @emitted(types.void, types.int64, numba_type)
    def store(builder, address, value):
        value = builder.trunc(value, llvm_type) if narrow else value
        builder.store(value, _pointer(builder, address, llvm_type)).align = 1

    return store


load_u8, load_i8 = _load(types.int64, I8, "zext"), _load(types.int64, I8, "sext")
load_u16, load_i16 = _load(types.int64, I16, "zext"), _load(types.int64, I16, "sext")
load_u32, load_i32 = _load(types.int64, I32, "zext"), _load(types.int64, I32, "sext")
load_i64 = _load(types.int64, I64)
load_f32, load_f64 = _load(types.float32, ir.FloatType()), _load(types.float64, ir.DoubleType())
store_u8, store_u16 = _store(types.int64, I8, True), _store(types.int64, I16, True)
store_u32, store_i64 = _store(types.int64, I32, True), _store(types.int64, I64)
store_f32, store_f64 = _store(types.float32, ir.FloatType()), _store(types.float64, ir.DoubleType())


@emitted(types.int64, types.int64, types.int64)
def word(builder, row, k):
    """Read word ``k`` of a row of the table of addresses. The compiler may assume that the word never changes."""
    at = builder.add(row, builder.mul(k, I64(8)))
    value = builder.load(_pointer(builder, at, I64), **loaded_as(I64))
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


def _prefetch(locality):
    """Make the intrinsic ``prefetch(address)``, which loads a cache line ahead of its use.

    locality : 3 to load into the first-level cache, 2 to load into the second-level cache
    """

    @emitted(types.void, types.int64)
    def prefetch(builder, address):
        pointer = _pointer(builder, address, I8)
        signature = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
        builder.call(function, [pointer, I32(0), I32(locality), I32(1)])

    return prefetch


prefetch, prefetch_far = _prefetch(3), _prefetch(2)  # prefetch the cache line at an address, for a read soon, or later


@emitted(types.void)
def one_by_one(builder):
    """Do nothing, but prevent the compiler from vectorising the loop that contains this call.

    Call this function in loops with many branches and arrays. A vectorised loop would first check all arrays for
    overlap, which costs more time than the vector instructions save for short vectors.
    """
    builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], side_effect=True)


def magnitude_between(low, high):
    """Make the intrinsic ``inside(x)``, which returns whether low < abs(x) < high for a float32; false for NaN.

    The intrinsic is fast, because it makes only one comparison, of the bits of x.
    """
    first, last = (int(np.float32(limit).view(np.uint32)) for limit in (low, high))

    @emitted(types.boolean, types.float32)
    def inside(builder, x):
        bits = builder.and_(builder.bitcast(x, I32), I32(0x7FFFFFFF))
        return builder.icmp_unsigned("<", builder.sub(bits, I32(first + 1)), I32(last - first - 1))

    return inside


@emitted(types.uint64, types.int64)
def flags64(builder, address):
    """Return a uint64 with the flags of 64 bytes: bit k is set if the byte at ``address + k`` is not zero."""
    vector = ir.VectorType(I8, 64)
    value = builder.load(_pointer(builder, address, vector), **loaded_as(vector))
    value.align = 1
    return builder.bitcast(builder.icmp_unsigned("!=", value, ir.Constant(vector, [0] * 64)), I64)


@emitted(types.int64, types.uint64)
def lowest_bit(builder, mask):
    """Return the index of the lowest set bit of a uint64; 64 if none is set."""
    return builder.cttz(mask, ir.Constant(ir.IntType(1), 0))


@emitted(types.int64, types.int64)
def set_bits(builder, mask):
    """Return the number of set bits of an int64."""
    return builder.ctpop(mask)


@emitted(types.int64, types.int64)
def leading_zeros(builder, value):
    """Return the number of leading zero bits of an int64 that is not zero."""
    return builder.ctlz(value, ir.Constant(ir.IntType(1), 1))


@emitted(types.void, types.int64, types.int64)
def call_kernel(builder, function, row):
    """Call a kernel, the C function ``void function(int64 row)``, through its address."""
    builder.call(_pointer(builder, function, ir.FunctionType(ir.VoidType(), [I64])), [row])


def _call(n, result):
    """Make the intrinsic ``call(function, a0 .. a(n-1))``, which calls the C function at the address ``function``.

    The arguments are int64. The result of the C function is int32 or int64, which the intrinsic returns as int64.
    """

    @emitted(types.int64, *[types.int64] * (n + 1))
    def call(builder, function, *values):
        value = builder.call(_pointer(builder, function, ir.FunctionType(result, [I64] * n)), values)
        return value if result is I64 else builder.sext(value, I64)

    return call


call_int1, call_int3, call_int4 = (_call(n, I32) for n in (1, 3, 4))  # C functions that return int
call3, call4 = (_call(n, I64) for n in (3, 4))  # ports and codecs, which return int64
