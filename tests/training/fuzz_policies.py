"""Changed files of policies: ``python -m tests.training.fuzz_policies [--n N] [--seed N] [--planted]``.

Bytes of .zip files, of the files of torch in them, of ``vecnormalize.pkl`` and of ONNX files are changed, removed,
added and exchanged, and sizes are replaced by large ones. Each file is refused with a DescriptionError, or gives a
policy that acts. The exit code is 1 if anything else happens: another exception, an import, a process, a file that is
opened beside those of the policy, or more memory than `MOST_MEMORY` beyond the file. Without onnx there are no ONNX
files. ``--planted`` does what no reader may do, which such a run must find.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import json
import os
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium
import numpy as np

from snn_control.errors import DescriptionError
from snn_control.training.teachers.trained_policy import load_policy
from tests.training import policy_files as files
from tests.training.memory import MOST_MEMORY, peak

#: what no reader may do; `sys.addaudithook` reports it
FORBIDDEN = ("import", "exec", "os.", "subprocess.", "socket.", "ctypes.", "pickle.find_class", "shutil.")
LARGE = [-1, 0, 1, 127, 255, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 64) - 1]
SPACE = gymnasium.spaces.Box(-1, 1, (2,))


class Watch:
    """Notes events of the interpreter while it is on."""

    def __init__(self) -> None:
        self.on, self.seen, self.folder = False, list[str](), ""
        sys.addaudithook(self.note)

    def __call__(self, call: Callable[[tuple[Path, ...]], str], paths: tuple[Path, ...]) -> str:
        self.on = True
        try:
            return call(paths)
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:200]
        finally:
            self.on = False

    def note(self, event: str, arguments: tuple) -> None:
        if self.on and event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {arguments!r}"[:200])
        if self.on and event == "open":
            name = str(arguments[0])
            if not name.startswith(self.folder) and not name.endswith(".py"):  # a traceback reads sources
                self.seen.append(f"open {name!r}"[:200])


def change(raw: bytes, rng: random.Random, words: list[bytes]) -> bytes:
    """Return ``raw`` with one to eight changes."""
    found = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at, n = rng.randrange(len(found) + 1), rng.choice((1, 1, 2, 4, 8, 40))
        match rng.randrange(9):
            case 0 | 7 | 8:
                found[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del found[at : at + n]
            case 2:
                found[at:at] = found[at : at + n] * rng.choice((1, 2, 100))
            case 3:
                found[at : at + len(word)] = (word := rng.choice(words))
            case 4:
                found[at:at] = rng.choice(words)
            case 5:
                form = rng.choice(("<H", "<I", "<Q", ">I"))
                value = rng.choice(LARGE) % (1 << 8 * struct.calcsize(form))
                found[at : at + struct.calcsize(form)] = struct.pack(form, value)
            case 6:
                other = rng.randrange(len(found) + 1)
                found[at : at + n] = found[other : other + n]
    return bytes(found)


PICKLE_WORDS = [
    *(bytes([one]) for one in b"RbtuseaN.Q0123()[]{}\x81\x92\x85\x86\x87\x94\x97"),
    b"cos\nsystem\n", b"cbuiltins\neval\n", b"\x8c\x02os\x8c\x06system\x93", b"\x8b\xff\xff\xff\x7f", b"K\x05",
    b"\x8e" + b"\xff" * 7 + b"\x7f", b"X\xff\xff\xff\x7f", b"h\x00", b"q\x00", b"j\x00\x00\x00\x00",
]  # fmt: skip
ZIP_WORDS = [b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"data", b"policy.pth", b"../"]
JSON_WORDS = [
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b"1e999",
    b"-1",
    b"NaN",
    b"null",
    b"9" * 5000,
    b"Box",
    b"Discrete",
    b"[" * 2000,
]
ONNX_WORDS = [
    b"Gemm", b"MatMul", b"If", b"Loop", b"Reshape", b"Clip", b"Tanh", b"ArgMax", b"Constant", b"x", b"y", b"W0", b"b0",
    b"\x0a", b"\x12", b"\x3a", b"\x2a", b"\x4a", b"\xff\xff\xff\xff\x0f", b"\x08\x01", b"\x70\x01", b"\x0b", b"\x0c",
]  # fmt: skip


class Fuzz:
    """Makes changed files in a folder; each method writes one and returns the arguments of `load_policy`."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng = folder, rng
        weights, qr = (
            files.ACTOR,
            files.layers("quantile_net.quantile_net.0", "quantile_net.quantile_net.2", sizes=(3, 4, 6)),
        )
        choice = files.data("sb3_contrib.qrdqn.policies", acts=files.DISCRETE)
        self.torch = [save(one) for save in (files.saved, files.legacy) for one in (weights, qr)]
        self.zips = [
            files.written(folder / "a.zip", content, policy).read_bytes()
            for content, policy in ((files.data(), self.torch[0]), (choice, self.torch[3]))
        ]
        self.data = json.dumps(files.data()).encode()
        self.statistics = [files.statistics(protocol) for protocol in (2, 3, 4, 5)]
        files.written(folder / "whole.zip", files.data(), files.saved(weights))
        self.makers: list[Callable[[], tuple[Path, ...]]] = [
            self.zip, self.inner, self.json, self.pickle, self.vecnormalize,
        ]  # fmt: skip
        if importlib.util.find_spec("onnx"):
            tail = [("Clip", ("v", "lo", "hi"), ("c",), {}), ("Tanh", ("c",), ("y",), {})]
            bounds = {"lo": np.float32(-2), "hi": np.float32(2)}
            self.models = [files.mlp(), files.mlp(*tail, activation="Elu", constants=bounds), files.onnx_normalized()]
            self.makers.append(self.onnx)

    def changed(self, raws: list[bytes], words: list[bytes]) -> bytes:
        return change(self.rng.choice(raws), self.rng, words)

    def zip(self) -> tuple[Path, ...]:
        path = self.folder / "a.zip"
        path.write_bytes(self.changed(self.zips, ZIP_WORDS + PICKLE_WORDS))
        return (path,)

    def inner(self) -> tuple[Path, ...]:
        return (files.written(self.folder / "a.zip", files.data(), self.changed(self.torch, ZIP_WORDS + PICKLE_WORDS)),)

    def json(self) -> tuple[Path, ...]:
        raw = change(self.data, self.rng, JSON_WORDS)
        return (files.written(self.folder / "a.zip", raw, self.torch[0]),)

    def pickle(self) -> tuple[Path, ...]:
        raw = change(files.pickled(files.ACTOR), self.rng, PICKLE_WORDS)
        policy = files.saved(files.ACTOR, stored={"data.pkl": raw})
        return (files.written(self.folder / "a.zip", files.data(), policy),)

    def vecnormalize(self) -> tuple[Path, ...]:
        path = self.folder / "v.pkl"
        path.write_bytes(self.changed(self.statistics, PICKLE_WORDS))
        return self.folder / "whole.zip", path

    def onnx(self) -> tuple[Path, ...]:
        path = self.folder / "a.onnx"
        path.write_bytes(self.changed(self.models, ONNX_WORDS))
        return (path,)


def planted(paths: tuple[Path, ...]) -> str:
    """Do in turn what no reader may do."""
    kind = paths[-1].stat().st_size % 3
    if kind == 0:
        os.listdir()
    elif kind == 1:
        bytearray(b"x") * (MOST_MEMORY + (1 << 25))
    else:
        Path(os.devnull).read_bytes()
    return "refused"


def load(paths: tuple[Path, ...]) -> str:
    """Read a policy and let it act; return what happened."""
    try:
        policy = load_policy(*paths)
    except DescriptionError as error:
        return "refused" if str(error).isprintable() else f"a message with control signs: {error!r}"[:200]
    with np.errstate(all="ignore"):
        policy.raw(np.zeros((1, 1 if policy.one_hot else policy.inputs)))
    try:
        policy.for_space(SPACE).check(SPACE, SPACE)
    except ValueError:
        pass
    return "read"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.training.fuzz_policies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--n", type=int, default=10_000, help="changed files (default 10,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--planted", action="store_true")
    options = parser.parse_args()
    rng, watch, most, faults, slowest = random.Random(options.seed), Watch(), 0, 0, 0.0
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(Path(folder), rng)
        watch.folder = folder
        for maker in fuzz.makers:  # imports what the readers import late
            load(maker())
        begin = time.perf_counter()
        for k in range(options.n):
            maker = fuzz.makers[k % len(fuzz.makers)]
            paths, found = maker(), list[str]()
            start = time.perf_counter()
            used = peak(lambda: found.append(watch(planted if options.planted else load, paths)), trim=False)  # noqa: B023
            most, slowest = max(most, used), max(slowest, time.perf_counter() - start)
            beyond = used > MOST_MEMORY + max(path.stat().st_size for path in paths)
            counts[f"{maker.__name__}: {found[0] if found[0] in ('read', 'refused') else 'another exception'}"] += 1
            if beyond or watch.seen or found[0] not in ("read", "refused"):
                faults += 1
                print(f"file {k} ({maker.__name__}): {found[0]}, {used:,} bytes, {watch.seen[:3]}")
                watch.seen.clear()
        seconds = time.perf_counter() - begin
    for name, n in sorted(counts.items()):
        print(f"{name}: {n:,}")
    print(f"{options.n:,} changed files: {faults} faults, {seconds:.1f} s, slowest {slowest * 1e3:.0f} ms, "
          f"at most {most / 2**20:.1f} MiB for one")  # fmt: skip
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
