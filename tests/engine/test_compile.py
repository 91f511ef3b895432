"""What is compiled, when, and that stale code is never run. What compiles does so in a separate process."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from snn_control.engine import registry
from snn_control.engine.code_cache import usable_folder

ROOT = Path(__file__).resolve().parents[2]


def python(code, cache, root=ROOT, given="", **environment):
    """Output of ``code``, which reads what is ``given``, in a new interpreter that keeps compiled code in ``cache``."""
    file = cache.parent / "driver.py"
    file.write_text(textwrap.dedent(code))
    variables = {**os.environ, "SNN_CONTROL_CACHE": str(cache), "PYTHONPATH": str(root), **environment}
    done = subprocess.run(
        [sys.executable, str(file)], env=variables, cwd=root, input=given, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


SECOND_CONTROLLER = """
    import threading, time
    import numba, numpy as np
    imported = time.process_time()
    from snn_control.coding import MembraneDecoder, Output, ValueInput
    from snn_control.controller import Controller
    from snn_control.engine.build import build
    from snn_control.engine.compile import compilations
    from snn_control.network import LI, Network, Population, Projection

    def load(n, squash=False):
        network = Network((Population("a", n, LI()),), (Projection("x", "a", 2.0),))
        output = Output("u", (MembraneDecoder("a", 1.0),), limits=(-1.0, 1.0), squash=squash)
        program = build(network, [ValueInput("x", size=n)], [output], dt=1e-3, period=1e-3)
        Controller(program).step({"x": np.full(n, 0.1)})

    done, gate = [], threading.Barrier(2)

    def at_once():
        gate.wait()
        load(5)
        done.append(True)

    threads = [threading.Thread(target=at_once) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("threads", done)
    print("seconds", time.process_time() - imported)
    first = dict(compilations)
    load(70, squash=True)
    second = {name: how for name, how in compilations.items() if name not in first}
    print("first", sorted(n.rpartition(".")[2] for n in first))
    print("compiled", sorted(n.rpartition(".")[2] for n, how in first.items() if how == "compiled"))
    print("second", sorted(n.rpartition(".")[2] for n in second))
"""


def test_a_second_controller_compiles_only_its_new_kernels_and_a_warm_start_is_quick(tmp_path):
    cold = python(SECOND_CONTROLLER, tmp_path / "cache")
    kernels = ["check_sample", "copy", "dense_graded", "guard", "leaky_integrator", "tick"]
    assert f"first {kernels}\ncompiled {kernels}\n" in cold
    assert "threads [True, True]" in cold
    assert "second ['squash']" in cold
    warm = python(SECOND_CONTROLLER, tmp_path / "cache")
    assert f"first {kernels}\ncompiled []\n" in warm
    seconds = [float(out.partition("seconds ")[2].split()[0]) for out in (warm, cold)]  # of CPU, without numba's import
    assert seconds[0] < 0.1 * seconds[1]  # usually 0.03; one kernel that is compiled again takes as much as that


def test_threads_that_need_a_kernel_at_once_compile_the_same_function():
    kernel = replace(registry.kernel("copy"))
    make = type(kernel).entry.func  # what each of the threads calls
    assert make(kernel) is make(kernel)


STALE = """
    import json, os, sys
    from pathlib import Path
    import numba, numpy as np
    from numba.core import types

    numba.njit("int64(int64)")(lambda x: x)  # prepares numba, once for all

    def bit(mask):
        return lowest_bit(mask)

    def run():
        global lowest_bit
        from snn_control.engine.compile import compile_function
        from snn_control.engine.memory import lowest_bit
        from snn_control.engine.registry import kernel
        from snn_control.testing import call_kernel

        x, y, z, ring = (np.full(4, k, np.float32) for k in (3, 0, 5, 0))
        call_kernel(kernel("copy").address, [4, y, x])
        call_kernel(kernel("clear").address, [4, z])
        call_kernel(kernel("remember").address, [1, ring, 64, 1, np.zeros(2, np.int64), x])
        print("got", y[0], z[0], ring.tolist(), compile_function(bit, "int64(uint64)")(np.uint64(6)), flush=True)

    for k, (name, old, new) in enumerate(json.load(sys.stdin)):
        path = Path("snn_control/engine", name)
        source, times = path.read_text(), path.stat()
        assert source.count(old) == 1, name
        path.write_text(source.replace(old, new))
        os.utime(path, (k, k))  # Python's own cache does not see two edits within a second
        if not os.fork():  # a process that has not imported the package yet
            run()
            os._exit(0)
        assert os.wait()[1] == 0, name
        path.write_text(source)
        os.utime(path, (times.st_atime, times.st_mtime))
"""
#: file, text, its replacement, what is printed then
EDITS = {
    "a kernel": (
        "kernels/vectors.py",
        "= x[i]\n\n\n@kernel()\ndef add",
        "= 2 * x[i]\n\n\n@kernel()\ndef add",
        "6.0 0.0 [3.0, 0.0, 0.0, 0.0] 1",
    ),
    "a helper": ("kernels/spikes.py", "return base\n", "return base + 4\n", "3.0 0.0 [0.0, 3.0, 0.0, 0.0] 1"),
    "a constant": (
        "kernels/__init__.py",
        "NAN = np.float32(0)",
        "NAN = np.float32(7)",
        "3.0 7.0 [3.0, 0.0, 0.0, 0.0] 1",
    ),
    "what makes numbers of words": (
        "rows.py",
        'return [f"{parameter} = {w[parameter]}"]',
        'return [f"{parameter} = {w[parameter]} - 1"]',
        "3.0 0.0 [0.0, 0.0, 0.0, 0.0] 1",
    ),
    "an intrinsic": ("memory.py", "builder.cttz(", "builder.ctlz(", "3.0 0.0 [3.0, 0.0, 0.0, 0.0] 61"),
}


def test_an_edited_source_is_never_run_from_a_stale_cache(tmp_path):
    shutil.copytree(ROOT / "snn_control", tmp_path / "snn_control", ignore=shutil.ignore_patterns("__pycache__"))
    as_it_is = "memory.py", "builder.cttz(", "builder.cttz(", "3.0 0.0 [3.0, 0.0, 0.0, 0.0] 1"
    edits = {"before": as_it_is, **EDITS, "after": as_it_is}
    given = json.dumps([edit for *edit, _ in edits.values()])
    said = python(STALE, tmp_path / "cache", tmp_path, given).splitlines()
    assert dict(zip(edits, said, strict=True)) == {what: f"got {expected}" for what, (*_, expected) in edits.items()}


BOUNDS = """
    import sys
    import numpy as np
    from snn_control.engine.compile import compile_callback
    from snn_control.engine.memory import f32, i64
    from snn_control.testing import call_kernel, disagreement
    from tests.reference import REFERENCES

    escaped = []
    sys.unraisablehook = lambda what: escaped.append(what.exc_value)

    def planted(row):
        o = i64(row, 4)
        y, x = f32(o[2], o[1]), f32(o[3], o[1])
        for i in range(y.size + 1):
            y[i] = x[i]

    for name in "%s".split():
        for size in (1, 63, 64, 65):
            for seed in range(2):
                assert disagreement(name, REFERENCES, seed, size) == ""
    print("kernels", escaped)
    y = np.zeros(4, np.float32)
    call_kernel(compile_callback(planted, "void(int64)"), [3, y, np.ones(4, np.float32)])
    print("planted", escaped, y.tolist())
"""


def kept(tmp_path):
    """The cache of all tests, where code with a check of indices is apart from the other."""
    return {"SNN_CONTROL_CACHE": str(usable_folder() or tmp_path / "cache")}


@pytest.mark.parametrize("names", [
    "copy csr_delayed conv_spikes guard",
    pytest.param("dense_spikes csr_spikes integrate_and_fire adex izhikevich pool", marks=pytest.mark.deep),
])  # fmt: skip
def test_kernels_stay_within_their_views_under_a_bounds_check(tmp_path, names):
    checked = python(BOUNDS % names, tmp_path / "cache", NUMBA_BOUNDSCHECK="1", **kept(tmp_path))
    assert "kernels []" in checked
    assert "planted [IndexError(" in checked
    assert "[1.0, 1.0, 1.0, 0.0]" in checked


def test_without_a_bounds_check_nothing_is_checked(tmp_path):
    unchecked = python(BOUNDS % "copy", tmp_path / "cache", **kept(tmp_path))
    assert "planted [] [1.0, 1.0, 1.0, 1.0]" in unchecked


DIGESTS = """
    import importlib, sys
    for name in "%s".split():
        importlib.import_module(name)
    from snn_control.engine.compile import source_digest
    for name in "engine.tick", "realtime.ports.packet_receiver", "record.activity_recorder":
        print(source_digest(importlib.import_module(f"snn_control.{name}")))
"""


def test_what_else_a_process_has_imported_does_not_matter(tmp_path):
    rooms = "realtime.loop", "analysis.probe", "cli.check", "controller.model"
    before = ("", " ".join(f"snn_control.{room}" for room in rooms))
    assert len({python(DIGESTS % names, tmp_path / "cache") for names in before}) == 1


EDITED_WHILE_RUNNING = """
    import sys, pathlib, time
    from snn_control.engine import memory
    import plugin
    source = pathlib.Path(plugin.__file__)
    edit = len(sys.argv) > 1
    from snn_control.engine.compile import compile_function, compilations
    if "EDIT" in __import__("os").environ:
        time.sleep(0.05)
        times = source.stat()
        source.write_text(source.read_text().replace("2 *", "3 *"))
        __import__("os").utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # as an upgrade of a package may
    print("got", compile_function(plugin.f, "int64(int64)")(1), list(compilations.values()))
"""


def test_an_edit_in_a_running_process_does_not_name_old_code(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # Python's own cache goes by the time of the file
    (tmp_path / "plugin.py").write_text("def f(x):\n    return 2 * x\n")
    cache, path = tmp_path / "cache", f"{tmp_path}{os.pathsep}{ROOT}"
    assert "got 2 ['compiled']" in python(EDITED_WHILE_RUNNING, cache, PYTHONPATH=path, EDIT="1")
    assert "got 3 ['compiled']" in python(EDITED_WHILE_RUNNING, cache, PYTHONPATH=path)
    assert "got 3 ['cached']" in python(EDITED_WHILE_RUNNING, cache, PYTHONPATH=path)


def test_a_function_without_a_file_is_not_kept(tmp_path):
    """In a notebook, the next process may define another function with the same name."""
    code = "import sys; from snn_control.engine import compile; print(compile.source_digest(sys.modules['__main__']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_the_digest_does_not_depend_on_the_folder(tmp_path):
    """A robot gets compiled code from another computer (`snn_control deploy`)."""
    shutil.copytree(ROOT / "snn_control", tmp_path / "snn_control", ignore=shutil.ignore_patterns("__pycache__"))
    code = "from snn_control.engine import compile; compile._BEGAN = 1e12; print(compile.source_digest(compile))"
    roots = (ROOT, tmp_path)
    assert len({python(code, tmp_path / "cache", root) for root in roots}) == 1
