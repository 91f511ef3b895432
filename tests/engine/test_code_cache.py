"""Compiled code on a disk that is damaged, full, writable by others or missing: a controller starts, and warns."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pytest

from snn_control.engine import code_cache, compile, memory
from snn_control.engine.code_cache import _said, usable_folder
from snn_control.errors import CacheWarning


def _plus_three(x):
    return memory.lowest_bit(memory.np.uint64(8)) + x


def _plus(x, y):
    return x + y


SIGNATURE, SIGNATURE_OF_PLUS, STARTED_WITH = "int64(int64)", "int64(int64,int64)", []
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _fresh():
    """Forget the warnings that this process has given."""
    before = set(_said)
    _said.clear()
    yield
    _said.clear()
    _said.update(before)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SNN_CONTROL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def start(function=_plus_three, signature=SIGNATURE):
    """Start as a new process does: whether it compiled or used the cache, and the address."""
    STARTED_WITH.append(compile._made.pop((function, signature), None))  # others may hold its address
    address = compile.compile_callback(function, signature)
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)(4) == 7
    return compile.compilations[f"{__name__}.{function.__name__}"]


def told(call):
    """The result of ``start``, and its only warning."""
    with pytest.warns(CacheWarning) as said:
        found = call()
    (one,) = said
    return found, str(one.message)


def inverted(content, begin, end):
    return content[:begin] + bytes(b ^ 0xFF for b in content[begin:end]) + content[end:]


def with_digest(code, file):
    return hashlib.sha256("/".join(file.parts[-2:]).encode() + b"\0" + code).digest() + code


def changed(content, **parts):
    """The code of an entry with another name, list of needed functions, or machine code."""
    name, needed, code = pickle.loads(content[32:])
    return pickle.dumps(tuple(({"name": name, "needed": needed, "code": code} | parts).values()))


DAMAGE = {
    "of 0 bytes": lambda c: b"",
    "cut in the digest": lambda c: c[:20],
    "cut in half": lambda c: c[: len(c) // 2],
    "a byte less": lambda c: c[:-1],
    "digest inverted": lambda c: inverted(c, 0, 32),
    "64 bytes inverted": lambda c: inverted(c, len(c) // 2, len(c) // 2 + 64),
    "all inverted": lambda c: inverted(c, 0, len(c)),
}
#: with a digest that fits
FORGED = {
    "of another numba": lambda c: pickle.dumps((1, 2, 3)),
    "no pickle": lambda c: b"something else",
    "needs what no library has": lambda c: changed(c, needed=["no_such_function"]),
    "another function": lambda c: changed(c, name="no_such_function"),
}


def exchanged(file):
    """The entry of another function, whole and with its digest, under this name."""
    compile._made.pop((_plus, SIGNATURE_OF_PLUS), None)
    compile.compile_callback(_plus, SIGNATURE_OF_PLUS)
    (other,) = (one for one in file.parent.iterdir() if "_plus." in one.name)
    other.replace(file)


def pipe(file):
    file.unlink()
    os.mkfifo(file)


def device(file):
    file.unlink()
    file.symlink_to("/dev/zero")


def to_itself(file):
    file.unlink()
    file.symlink_to(file)


REPLACED = [exchanged, pipe, device, to_itself]


@pytest.mark.parametrize("what", [*DAMAGE, *FORGED, *REPLACED])
def test_a_damaged_entry_is_never_run_and_is_written_again(folder, what):
    assert start() == "compiled"
    (file,) = folder.glob("*/*")
    whole = file.read_bytes()
    if what in REPLACED:
        what(file)
    else:
        file.write_bytes(with_digest(FORGED[what](whole), file) if what in FORGED else DAMAGE[what](whole))
    found, said = told(start)
    assert found == "compiled"
    assert said.startswith(f"{file}: compiled code is damaged, so it is compiled again: ")
    assert with_digest(file.read_bytes()[32:], file) == file.read_bytes()
    assert start() == "cached"
    assert [f.name for f in folder.glob("*/*")] == [file.name]


def test_a_full_disk_costs_compilations_and_one_warning(folder):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))  # no file gets longer
    try:
        found, said = told(lambda: [start(), start()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert found == ["compiled"] * 2
    assert re.search("not kept, each start compiles: .*; make room, or set SNN_CONTROL_CACHE", said)
    assert [f for f in folder.glob("**/*") if f.is_file()] == []  # nor half a file
    assert [start(), start()] == ["compiled", "cached"]


def nothing(fallback):
    pass


def link(fallback):
    fallback.symlink_to(tempfile.mkdtemp(dir=fallback.parent))


def open_to_all(fallback):
    fallback.mkdir()
    fallback.chmod(0o777)


def open_to_the_group(fallback):
    fallback.mkdir()
    fallback.chmod(0o770)


def no_folder(fallback):
    fallback.write_text("")


@pytest.mark.parametrize("there", [nothing, link, open_to_all, open_to_the_group, no_folder])
def test_a_home_that_takes_nothing_falls_back_to_a_folder_that_is_ones_own_alone(tmp_path, monkeypatch, there):
    monkeypatch.delenv("SNN_CONTROL_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc")  # not even root makes a folder there
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fallback = tmp_path / f"snn_control-{os.getuid()}"
    there(fallback)
    mine = there is nothing
    why = r"kept in .*: \[Errno" if mine else r"not kept, each start compiles: \[Errno .*snn_control-"
    found, said = told(lambda: [usable_folder(), start(), start()])
    assert found == ([fallback, "compiled", "cached"] if mine else [None, "compiled", "compiled"])
    assert re.match(f"compiled code is {why}.*; set SNN_CONTROL_CACHE to a folder", said)
    assert list(fallback.glob("*")) == [] or mine
    assert not mine or fallback.stat().st_mode & 0o777 == 0o700


def of_another_user(folder):
    folder.mkdir()
    os.chown(folder, 54321, -1)


#: the second needs root; for others a folder of root is as good as their own
@pytest.mark.parametrize("there", [open_to_all, open_to_the_group, *[of_another_user] * (os.getuid() == 0)])
def test_a_folder_that_others_can_write_to_is_neither_used_nor_copied_from(folder, tmp_path, monkeypatch, there):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    there(folder)
    found, said = told(lambda: [usable_folder(), start()])
    fallback = tmp_path / f"snn_control-{os.getuid()}"
    assert found == [fallback, "compiled"]
    assert re.match(f"compiled code is kept in {fallback}: {folder}: (others can write|belongs to another user)", said)
    assert list(folder.iterdir()) == []
    monkeypatch.setenv("SNN_CONTROL_CACHE", str(tmp_path / "cache2"))
    monkeypatch.setenv("SNN_CONTROL_CACHE_SOURCE", str(folder))
    assert re.match(f"SNN_CONTROL_CACHE_SOURCE: is not used: {folder}: ", told(start)[1])
    assert start() == "cached"


@pytest.mark.skipif(os.getuid() != 0, reason="needs a user whom nobody knows")
@pytest.mark.parametrize("temporary", ["/proc", None])
def test_without_a_home_and_a_name_of_the_user_it_says_what_to_set(tmp_path, monkeypatch, temporary):
    for name in ("SNN_CONTROL_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it has threads, which are not there in the child
        child = os.fork()
    if child == 0:  # nothing of the tests' own process runs on in it
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                os.setuid(54321)
                tempfile.tempdir = temporary
                tempfile._candidate_tempdir_list = lambda: ["/proc"]  # where it looks for a folder, where none is set
                found = usable_folder()
            os.write(write, f"{found} {said[0].message}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as text:
        said = text.read()
    assert said.startswith("None compiled code is not kept, each start compiles: ")
    assert said.endswith("set SNN_CONTROL_CACHE to a folder that you can write to")


def test_what_is_missing_is_copied_from_a_source(folder, tmp_path, monkeypatch):
    assert start() == "compiled"
    (made,) = folder.rglob("*.code")
    monkeypatch.setenv("SNN_CONTROL_CACHE", str(tmp_path / "robot"))
    monkeypatch.setenv("SNN_CONTROL_CACHE_SOURCE", str(folder))
    assert start() == "cached"
    assert (tmp_path / "robot" / made.relative_to(folder)).read_bytes() == made.read_bytes()
    shutil.rmtree(tmp_path / "robot")
    made.write_bytes(made.read_bytes()[:-1])
    found, said = told(start)
    assert found == "compiled"
    assert said.startswith(f"{made}: compiled code is damaged")
    assert len(list((tmp_path / "robot").rglob("*.code"))) == 1


def test_a_clock_that_is_behind_the_files_compiles_nothing_again(folder, monkeypatch):
    assert start() == "compiled"
    monkeypatch.setattr(compile, "_BEGAN", 1e6)  # 1970: a machine without a battery
    monkeypatch.setattr(compile.time, "time", lambda: 1e6 + 5)
    assert start() == "cached"


def test_threads_that_compile_one_function_get_one_code(folder):
    for _ in range(3):
        STARTED_WITH.append(compile._made.pop((_plus, SIGNATURE_OF_PLUS), None))
        gate, found = threading.Barrier(4), []

        def load(gate=gate, found=found):
            gate.wait()
            found.append(compile.compile_callback(_plus, SIGNATURE_OF_PLUS))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 1
        assert len(found) == 4


ONE_OF_SEVERAL = """
import sys
from tests.engine import test_code_cache as this
print("ready", flush=True)
sys.stdin.readline()
this.compile.compile_callback(this._plus_three, this.SIGNATURE)
print(*this.compile.compilations.values())
"""


def test_of_processes_that_miss_one_code_at_once_one_compiles_it(folder):
    line = [sys.executable, "-c", ONE_OF_SEVERAL]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(line, text=True, cwd=ROOT, env=environment, **pipes) for _ in range(3)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert sorted(process.communicate()[0].split() for process in processes) == [["cached"], ["cached"], ["compiled"]]


def test_one_that_stands_still_is_not_waited_for(folder, monkeypatch):
    assert start() == "compiled"
    (entry,) = folder.rglob("*.code")
    entry.unlink()
    monkeypatch.setattr(code_cache, "PATIENCE", 0.2)
    begin = time.monotonic()
    other = os.open(entry.parent, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert start() == "compiled"
        assert time.monotonic() - begin > 0.2
        assert entry.is_file()
    finally:
        os.close(other)
