"""Every kernel in C gives the bits of its reference, or is refused by name."""

import ctypes
import dataclasses
import sys

import numpy as np
import pytest

from snn_control.c_export.compilers import STRICT, compile_c, host_compiler, zig
from snn_control.c_export.conformance import CKernels
from snn_control.c_export.kernel_text import REFUSED, header, refusal
from snn_control.c_export.parameters import parameters
from snn_control.engine import registry
from snn_control.engine.lowering import Plugin
from snn_control.engine.registry import all_kernels, builtin
from snn_control.engine.rows import count, kernel, number, read, written
from snn_control.errors import ProgramError, RuntimeFault
from tests import reference

NAMES = sorted(set(builtin("kernels")) - set(REFUSED))
BUILDS = {
    "-O2": ("-O2",),
    "-O3 native": ("-O3", "-march=native"),
    "clang": ("-O2",),
}


@pytest.fixture(scope="module", params=BUILDS)
def compiled(request):
    if request.param == "clang":
        pytest.importorskip("ziglang")
    return CKernels(NAMES, BUILDS[request.param], zig() if request.param == "clang" else ())


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_in_c_agrees_with_its_reference_to_the_bit(name, compiled):
    compiled.check(name, reference.REFERENCES, 48)


@pytest.mark.parametrize("name", sorted(builtin("kernels")))
def test_a_kernel_is_exported_or_refused_by_name(name):
    reason = refusal(name)
    assert bool(reason) == (name in REFUSED), f"{name}: {reason or 'is exported, and listed as refused'}"


def test_all_kernels_compile_without_a_warning(tmp_path):
    source = tmp_path / "kernels.c"
    calls = "\n".join(
        f"extern void *use_{name}(void); void *use_{name}(void) {{ return (void *)0; }}" for name in NAMES
    )
    source.write_text(header(NAMES) + calls)
    compile_c(host_compiler(), [*STRICT, "-Werror", "-Wno-unused-function", "-c", source, "-o", tmp_path / "kernels.o"])


def test_the_root_is_that_of_the_processor(tmp_path):
    source, library = tmp_path / "root.c", tmp_path / "root.so"
    wrapper = "double root(double x);\ndouble root(double x) { return snn_root(x); }\n"
    source.write_text(header([], ["snn_root"]) + wrapper)
    compile_c(host_compiler(), ["-std=c99", "-O2", "-fPIC", "-shared", source, "-o", library])
    root = ctypes.CDLL(str(library)).root
    root.restype, root.argtypes = ctypes.c_double, [ctypes.c_double]
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.random(20_000) * 10.0 ** rng.integers(0, 30, 20_000) + 1, [1, 2, 4, 1e308, np.inf]])
    assert [root(v) for v in x] == np.sqrt(x).tolist()
    assert np.isnan(root(np.nan))


def test_a_header_has_only_what_is_used():
    text = header(["copy"])
    assert "snn_kernel_copy(int32_t n, float *y, const float *x)" in text
    assert "snn_kernel_guard" not in text
    assert "snn_exponential" not in text


def test_the_parameters_are_those_of_the_row():
    for one in builtin("kernels").values():
        assert [name.rstrip("_") for name in parameters(one)] == [name.rstrip("_") for name in one.words]


def test_another_version_is_refused(monkeypatch):
    newer = dataclasses.replace(builtin("kernels")["copy"], version=9)
    monkeypatch.setitem(registry._ours().entries, ("kernels", "copy"), newer)
    with pytest.raises(ProgramError, match=r"'copy' cannot be exported to C: its C source is of version 1, .* 9"):
        header(["copy"])


def test_a_row_that_lost_a_word_does_not_compile(monkeypatch, tmp_path):
    @kernel()
    def add(n: count, y: written("f32", "n")):
        "Without x."

    monkeypatch.setitem(registry._ours().entries, ("kernels", "add"), add)
    (tmp_path / "add.c").write_text(header(["add"]))
    with pytest.raises(RuntimeFault, match=r"undeclared.*'x'|['‘]x['’] undeclared"):
        compile_c(host_compiler(), ["-std=c99", "-c", tmp_path / "add.c", "-o", tmp_path / "add.o"])


# plug-ins ------------------------------------------------------------------------------------------------------------
@kernel(version=2)
def twice(n: count, y: written("f32", "n"), x: read("f32", "n"), more: number):
    "y = 2 x"
    for i in range(n):
        y[i] = np.float32(2) * x[i]


C = """
SNN_KERNEL(twice, 2) {
    int32_t i;
    (void)more;
    for (i = 0; i < n; i++) y[i] = 2.0f * x[i];
}
"""
SOURCES = {"twice": C}


def plain(n, y, x, more):
    y[:] = np.float32(2) * x


def case(rng, n):
    return [n, np.zeros(n, np.float32), rng.normal(size=n).astype(np.float32), 1]


def test_a_plug_in_may_bring_c(monkeypatch):
    monkeypatch.setattr(registry, "_added", registry._Table())
    registry.add(Plugin((twice,)))
    assert refusal("twice") == "it has no C source; a plug-in brings it as a companion of the kind 'c'"
    monkeypatch.setattr(registry, "_added", registry._Table())
    monkeypatch.setitem(sys.modules, "c_of_a_plug_in", sys.modules[__name__])
    registry.add(Plugin((twice,), companions={"c": "c_of_a_plug_in:SOURCES"}))
    assert "twice" in all_kernels()
    CKernels(["twice"]).check("twice", {"twice": (plain, case)}, 5)
