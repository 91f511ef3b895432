"""Digests of results do not depend on the processor that code is generated for, nor on the variants of libm in use."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snn_control.controller import Controller
from snn_control.engine.registry import all_kernels
from tests.engine import zoo

ROOT = Path(__file__).resolve().parents[2]
STEPS = 3_000
MACHINES = {  # besides the one here
    "native, no FMA and AVX2 in glibc": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA"},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},  # neither FMA nor long vectors
}


def test_the_zoo_runs_every_kernel():
    assert {o.kernel for o in zoo.program().operations} == set(all_kernels())


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names processors of x86-64")
def test_spikes_and_state_have_one_digest_for_all_code_generation():
    found = {"native": zoo.digest(STEPS)[0]}  # first: one of the others has its code
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "tests.engine.zoo", str(STEPS)],
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for name, variables in MACHINES.items()
    }  # fmt: skip
    try:
        for name, process in processes.items():
            out, err = process.communicate(timeout=280)
            assert process.returncode == 0, f"{name}: {err[-2000:]}"
            found[name], least = out.split()
            assert int(least) > 100, "every population fires"
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    assert len(set(found.values())) == 1, found


def test_saved_restored_and_continued_gives_the_bits_of_never_stopping():
    whole, other = Controller(zoo.program()), Controller(zoo.program())
    rng = np.random.default_rng(3)
    given = [zoo.observation(rng) for _ in range(600)]
    for k, observation in enumerate(given):
        if k == 300:
            other.restore(whole.state())
        expected = whole.step(observation)
        if k >= 300:
            got = other.step(observation)
            assert all(got[name].tobytes() == y.tobytes() for name, y in expected.items()), k
    assert other.state().tobytes() == whole.state().tobytes()
