"""Exported C on emulated processors of microcontrollers: the same bits, sizes, instructions, and wrong builds."""

import functools
import re
from itertools import product

import pytest

from snn_control.c_export.export import exported
from snn_control.c_export.measure import check_fits, measure
from snn_control.errors import DescriptionError, RuntimeFault
from tests.c_export.driver import agree, export
from tests.c_export.networks import MAKE

pytest.importorskip("ziglang")
pytest.importorskip("unicorn")

from snn_control.c_export.emulator import EmulatedMachine
from snn_control.c_export.targets import TARGETS, build_object

QUICK = [("cartpole", "cortex-m4f", "-Os"), ("arm", "cortex-m4f", "-O2"), ("float32", "cortex-m4f", "-Os"),
         ("int8", "cortex-m4f", "-O2"), ("cartpole", "aarch64", "-O2"), ("int8", "aarch64", "-O2")]  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Name of a controller -> its Program, the folder of its C, and its layout; each is made once."""

    @functools.cache
    def of(name):
        program, folder = MAKE[name](), tmp_path_factory.mktemp(name)
        return program, folder, export(program, folder)

    return of


@pytest.mark.parametrize(("name", "target", "optimise"), QUICK)
def test_a_processor_computes_the_bits_of_the_engine(name, target, optimise, folders):
    program, folder, layout = folders(name)
    machine = EmulatedMachine(folder, layout, target, optimise)
    assert machine.call("selftest_in") == 0
    agree(program, layout, machine, 60)


#: some controllers on all processors, all controllers on two
LONG = {*product(("cartpole", "arm", "float32", "int8"), TARGETS), *product(MAKE, ("cortex-m4f", "aarch64"))}


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("optimise", ["-Os", "-O2"])
@pytest.mark.parametrize(("name", "target"), sorted(LONG))
def test_a_processor_computes_the_bits_of_the_engine_for_long(name, target, optimise, folders):
    program, folder, layout = folders(name)
    agree(program, layout, EmulatedMachine(folder, layout, target, optimise), 10_000)


#: FPSCR -> whether it changes bits: rounding up, down and to zero do; flushing denormals and the default NaN do not
ROUNDING = {0x0040_0000: True, 0x0080_0000: True, 0x00C0_0000: True, 0x0100_0000: False, 0x0200_0000: False}


def test_the_self_test_finds_another_rounding_mode(folders):
    _, folder, layout = folders("float32")
    machine = EmulatedMachine(folder, layout, "cortex-m4f", "-Os")
    for fpscr, differs in ROUNDING.items():
        machine.set_rounding(fpscr)
        assert bool(machine.call("selftest_in")) == differs, hex(fpscr)


@pytest.mark.parametrize("flag", ["-ffp-contract=fast", "-funsafe-math-optimizations"])
def test_the_self_test_finds_arithmetic_that_is_not_exact(flag, folders):
    """No macro tells of these flags of clang. (The contraction of a Cortex-M4F, vmla, rounds twice: it is harmless.)"""
    for name in ("cartpole", "float32"):
        _, folder, layout = folders(name)
        assert EmulatedMachine(folder, layout, "aarch64", "-O2", flags=(flag,)).call("selftest_in") > 0


def test_fast_mathematics_does_not_compile(folders):
    _, folder, layout = folders("cartpole")
    with pytest.raises(RuntimeFault, match="compile without -ffast-math"):
        EmulatedMachine(folder, layout, "cortex-m4f", "-O2", flags=("-ffast-math",))


#: bytes of flash without the compiler's own functions, bytes of RAM
SMALL = {"cartpole": (4200, 1600), "float32": (103_000, 8100), "int8": (40_000, 9100)}
HELPERS = re.compile(r"__aeabi_(d\w+|[fiul]+2d|memcpy|memset|memclr)\d?|memcpy|memset")


@pytest.mark.parametrize("name", SMALL)
def test_code_is_small_and_needs_only_the_compilers_float64(name, folders, tmp_path):
    _, folder, layout = folders(name)
    found = build_object(folder, layout.name, TARGETS["cortex-m4f"], "-Os", tmp_path)
    flash, ram = SMALL[name]
    assert found.bytes_of(executable=True) + found.bytes_of(executable=False) <= flash
    assert layout.n_bytes <= ram
    assert [symbol for symbol in found.undefined if not HELPERS.fullmatch(symbol)] == []


#: instructions of a tick, on average
FAST = {"cartpole": 10_000, "float32": 81_000, "int8": 81_000}


@pytest.fixture(scope="module")
def measured(folders):
    """Name of a controller -> what is exported of it, and its measurements; each is measured once."""

    @functools.cache
    def of(name):
        e = exported(folders(name)[0], name)
        return e, measure(e, "cortex-m4f", "-O2")

    return of


@pytest.mark.parametrize("name", FAST)
def test_a_tick_takes_few_instructions(name, measured):
    _, found = measured(name)
    assert found.differing == 0
    assert found.mean <= FAST[name]


def test_what_does_not_fit_is_refused(measured):
    e, found = measured("float32")
    check_fits(e, found, 128 << 10, 16 << 10)
    with pytest.raises(DescriptionError, match=r"--flash = 65536: .*h1_to_h2_weights 65,536.*; give .* int8"):
        check_fits(e, found, 64 << 10, None)
    with pytest.raises(DescriptionError, match=r"--ram = 4096: float32 needs .* bytes; the largest arrays: h2_spikes"):
        check_fits(e, found, None, 4096)
