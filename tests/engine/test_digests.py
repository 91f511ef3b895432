"""Digests of results do not depend on the processor that code is generated for, nor on the variants of libm in use."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snn_control.controller import Controller
from snn_control.engine.code_cache import processor
from snn_control.engine.registry import all_kernels
from snn_control.testing import disagreement
from tests.engine import zoo
from tests.reference import REFERENCES

ROOT = Path(__file__).resolve().parents[2]
STEPS = 3_000
MACHINES = {  # besides the one here
    "native, no FMA and AVX2 in glibc": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA"},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},  # neither FMA nor long vectors
}


#: sums over synapses, exponentials, motion in double precision: what fused operations and long vectors could change
SENSITIVE = ("dense_graded", "adex", "guard")


def test_the_zoo_runs_every_kernel():
    assert {o.kernel for o in zoo.program().operations} == set(all_kernels())


def in_another_process(*line, **variables):
    """What a module prints in a process with these variables."""
    done = subprocess.run(
        [sys.executable, "-m", *line], env={**os.environ, "PYTHONPATH": str(ROOT), **variables}, cwd=ROOT,
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


#: generic code takes half a minute to compile; the kernels of SENSITIVE are compared in every run
@pytest.mark.parametrize(
    "machine", ["native, no FMA and AVX2 in glibc", pytest.param("generic", marks=pytest.mark.deep)]
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names processors of x86-64")
def test_spikes_and_state_have_one_digest_for_all_code_generation(machine):
    expected, _ = zoo.digest(STEPS)
    found, least = in_another_process("tests.engine.zoo", str(STEPS), **MACHINES[machine])
    assert int(least) > 100, "every population fires"
    assert found == expected


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names processors of x86-64")
def test_generic_code_of_sums_and_exponentials_gives_the_bits_of_their_references():
    assert in_another_process("tests.engine.test_digests", *SENSITIVE, **MACHINES["generic"]) == ["generic"]


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


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for size in (1, 63, 64, 65):
            for seed in range(2):
                assert (found := disagreement(name, REFERENCES, seed, size)) == "", found
    print(processor()[0])
