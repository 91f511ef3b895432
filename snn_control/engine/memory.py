"""Addresses as numbers: the LLVM intrinsics that kernels and ports are built from.

A bound table holds plain int64 addresses. These functions turn an address into an array view without a reference count
(``f32(address, n)``), read and write single values at any alignment, prefetch, find set flags, and call a compiled
function through its address. They check nothing: addresses are checked once when they are written into a table
(``engine.bound.bind``).
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

I8, I16, I32, I64 = (ir.IntType(n) for n in (8, 16, 32, 64))


def _view(dtype):
    """Intrinsic ``view(address, n)``: a contiguous 1-D array of ``dtype`` over foreign memory."""
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
            populate_array(
                array,
                data=builder.inttoptr(address, ir.PointerType(item)),
                shape=[n],
                strides=[size],
                itemsize=size,
                meminfo=None,
            )
            return array._getvalue()

        return array_type(types.int64, types.int64), gen

    return view


u8, u16, u32, u64 = _view(types.uint8), _view(types.uint16), _view(types.uint32), _view(types.uint64)
i8, i32, i64 = _view(types.int8), _view(types.int32), _view(types.int64)
f32, f64 = _view(types.float32), _view(types.float64)


def _load(numba_type, llvm_type, extend=None):
    """Intrinsic ``load(address)`` with alignment 1; narrow integers are returned as int64."""

    @intrinsic
    def load(typingctx, address):
        def gen(context, builder, sig, args):
            value = builder.load(builder.inttoptr(args[0], llvm_type.as_pointer()), typ=llvm_type)
            value.align = 1
            return getattr(builder, extend)(value, I64) if extend else value

        return numba_type(types.int64), gen

    return load


def _store(numba_type, llvm_type, narrow=False):
    """Intrinsic ``store(address, value)`` with alignment 1."""

    @intrinsic
    def store(typingctx, address, value):
        def gen(context, builder, sig, args):
            value = builder.trunc(args[1], llvm_type) if narrow else args[1]
            builder.store(value, builder.inttoptr(args[0], llvm_type.as_pointer())).align = 1
            return context.get_dummy_value()

        return types.void(types.int64, numba_type), gen

    return store


load_u8, load_i8 = _load(types.int64, I8, "zext"), _load(types.int64, I8, "sext")
load_u16, load_i16 = _load(types.int64, I16, "zext"), _load(types.int64, I16, "sext")
load_u32, load_i32 = _load(types.int64, I32, "zext"), _load(types.int64, I32, "sext")
load_i64 = _load(types.int64, I64)
load_f32, load_f64 = _load(types.float32, ir.FloatType()), _load(types.float64, ir.DoubleType())
store_u8, store_u16 = _store(types.int64, I8, True), _store(types.int64, I16, True)
store_u32, store_i64 = _store(types.int64, I32, True), _store(types.int64, I64)
store_f32, store_f64 = _store(types.float32, ir.FloatType()), _store(types.float64, ir.DoubleType())


@intrinsic
def word(typingctx, row, k):
    """Word ``k`` of a row of the bound table; constant while a kernel runs, so the compiler may read it at any time."""

    def gen(context, builder, sig, args):
        at = builder.add(args[0], builder.mul(args[1], I64(8)))
        value = builder.load(builder.inttoptr(at, I64.as_pointer()), typ=I64)
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    return types.int64(types.int64, types.int64), gen


def _prefetch(locality):
    """Intrinsic ``prefetch(address)``; locality 3 is the first cache, 2 the second."""

    @intrinsic
    def prefetch(typingctx, address):
        def gen(context, builder, sig, args):
            pointer = builder.inttoptr(args[0], ir.PointerType(I8))
            signature = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
            function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
            builder.call(function, [pointer, I32(0), I32(locality), I32(1)])
            return context.get_dummy_value()

        return types.void(types.int64), gen

    return prefetch


prefetch, prefetch_far = _prefetch(3), _prefetch(2)  # prefetch the cache line at an address, for a read soon, or later


@intrinsic
def one_by_one(typingctx):
    """An empty statement that prevents the compiler from vectorising a loop that contains it. For loops with many
    branches and arrays, where comparing all addresses would cost more than short vectors save."""

    def gen(context, builder, sig, args):
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], side_effect=True)
        return context.get_dummy_value()

    return types.void(), gen


def magnitude_between(low, high):
    """Intrinsic ``inside(x)``: low < abs(x) < high for a float32, by one comparison of its bits; false for NaN."""
    first, last = (int(np.float32(limit).view(np.uint32)) for limit in (low, high))

    @intrinsic
    def inside(typingctx, x):
        def gen(context, builder, sig, args):
            bits = builder.and_(builder.bitcast(args[0], I32), I32(0x7FFFFFFF))
            return builder.icmp_unsigned("<", builder.sub(bits, I32(first + 1)), I32(last - first - 1))

        return types.boolean(types.float32), gen

    return inside


@intrinsic
def flags64(typingctx, address):
    """uint64 in which bit k is set if the byte at ``address + k`` is not zero."""

    def gen(context, builder, sig, args):
        vector = ir.VectorType(I8, 64)
        value = builder.load(builder.inttoptr(args[0], ir.PointerType(vector)), typ=vector)
        value.align = 1
        return builder.bitcast(builder.icmp_unsigned("!=", value, ir.Constant(vector, [0] * 64)), I64)

    return types.uint64(types.int64), gen


@intrinsic
def lowest_bit(typingctx, mask):
    """Index of the lowest set bit of a uint64; 64 if none is set."""

    def gen(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), gen


@intrinsic
def leading_zeros(typingctx, value):
    """Number of leading zero bits of an int64 that is not zero."""

    def gen(context, builder, sig, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), gen


@intrinsic
def call_kernel(typingctx, function, row):
    """Call ``void function(int64 row)`` through its address."""

    def gen(context, builder, sig, args):
        signature = ir.FunctionType(ir.VoidType(), [I64])
        builder.call(builder.inttoptr(args[0], signature.as_pointer()), [args[1]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), gen


def _call(n, result):
    """Intrinsic ``call(function, a0 .. a(n-1))``: int64 arguments, result int32 or int64 as int64."""

    def gen(context, builder, sig, args):
        signature = ir.FunctionType(result, [I64] * n)
        value = builder.call(builder.inttoptr(args[0], signature.as_pointer()), args[1:])
        return value if result is I64 else builder.sext(value, I64)

    names = ", ".join(f"a{k}" for k in range(n))
    scope = {"types": types, "gen": gen, "n": n}
    exec(  # an intrinsic's arity is that of its Python signature
        f"def call(typingctx, function, {names}):\n    return types.int64(*([types.int64] * (n + 1))), gen", scope
    )
    return intrinsic(scope["call"])


call_int1, call_int3, call_int4 = (_call(n, I32) for n in (1, 3, 4))  # C functions that return int
call3, call4 = (_call(n, I64) for n in (3, 4))  # ports and codecs, which return int64
