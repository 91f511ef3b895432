"""Runs of training that are ended at random moments: by SIGINT, as Ctrl-C, and by SIGKILL, in turn.

``python -m tests.training.interrupted TIMES HOW...`` ends runs of these ways to train so many times, each of which goes
on where the one before it was ended, and begins anew where one has come to its end. All run in processes that are
forked when everything is compiled. It prints a JSON object for each way; any difference of bits from a run that nobody
ended is an error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.parity import swing_policy, swing_up
from snn_control.controller import build_program
from snn_control.files import replace_text
from snn_control.training import result, train, training_run
from snn_control.training.algorithms import self_imitation as sparing
from snn_control.training.environments.evaluation import with_environments
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.environments.vector_env import Interface
from snn_control.training.schedule import stages
from tests.training.test_train import small

EPISODES, LIMIT = 3, 40  # of a validation and of the evaluation, and steps of each
ALONE = {"spike_cost": 0, "gain_generations": 0}  # nothing follows
#: way to train -> environment, and settings of five phases; "saving": three of ppo, three of imitation that saves
#: spikes, and two of a search for gains; "policy":
#: imitation of a perceptron, any number of spikes is few enough; "adjusting": three of imitation, and these
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "ppo": ("CartPole-v1", {"n_envs": 4, "n_steps": 64, "rollouts": 1, "total_timesteps": 5 * 256} | ALONE),
    "saving": (
        "CartPole-v1",
        {"n_envs": 4, "n_steps": 64, "rollouts": 4, "total_timesteps": 3 * 1024, "gain_generations": 2},
    ),
    "sac": (
        "Pendulum-v1",
        {
            "n_envs": 2,
            "n_steps": 40,
            "learning_starts": 80,
            "batch_size": 32,
            "train_freq": 4,
            "total_timesteps": 5 * 80,
        },
    ),
    "imitate": ("Pendulum-v1", {"n_envs": 2, "n_steps": 64, "gradient_steps": 10, "total_timesteps": 5 * 128}),
    "policy": (
        "Pendulum-v1",
        {"n_envs": 2, "n_steps": 64, "gradient_steps": 10, "batch_size": 32, "spikes": 1e3, "total_timesteps": 5 * 128},
    ),
    "adjusting": (
        "CartPole-v1",
        {"n_envs": 2, "n_steps": 64, "gradient_steps": 10, "total_timesteps": 3 * 128, "gain_generations": 2},
    ),
    "evolve": ("CartPole-v1", {"n_envs": 2, "episodes": 2, "population": 4, "total_timesteps": 5 * 8 * LIMIT}),
}


def upright(observation: np.ndarray) -> int:
    """Push the cart to the side to which the pole falls."""
    return int(observation[2] + observation[3] > 0)


def run(how: str, folder: Path) -> dict[str, Any]:
    """Train, from the checkpoint if there is one; what came out. ``again``: the validation of what was kept, anew, in
    the episodes of learning and in those of reducing spikes."""
    training_run.VALIDATION_EPISODES = training_run.COMPARISON_EPISODES = training_run.EVALUATION_EPISODES = EPISODES
    sparing.CHANGED = {"n_envs": 8, "n_steps": 128, "gradient_steps": 10}
    stages.CLEARLY = -100.0  # so few steps teach nothing that is above chance
    env, settings = RUNS[how]
    teachers = {"imitate": swing_up, "policy": swing_policy(), "adjusting": upright}
    arguments, teacher = {"max_episode_steps": LIMIT}, teachers.get(how)
    how = {"saving": "ppo", "adjusting": "imitate", "policy": "imitate"}.get(how, how)
    trained = train(
        small(env), env, arguments=arguments, how=how, teacher=teacher, seed=3, run=folder, settings=settings
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    world = make(env, arguments)
    interface = Interface(trained.spec, world.observation_space, world.action_space)
    program, first = build_program(trained.spec), result.VALIDATION
    again = [
        with_environments(lambda: make(env, arguments), seeds)(program, interface).score
        for seeds in (range(first, first + EPISODES), range(first + 3 * EPISODES, first + 5 * EPISODES))
    ]
    return {
        "ended": trained.ended,
        "program": program.digest,
        "history": trained.history,
        "returns": trained.evaluation.returns.tolist(),
        "validation": trained.validation,
        "again": again,
    }


def forked(how: str, folder: Path, number: int, seconds: float) -> dict[str, Any] | None:
    """A run in a process of its own that gets a signal after some time; None if it left nothing."""
    file = folder / "found.json"
    file.unlink(missing_ok=True)
    if not (child := os.fork()):
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            replace_text(file, json.dumps(run(how, folder / "run")))
            code = 0
        except KeyboardInterrupt:  # before there was anything to keep
            code = 130
        finally:
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + seconds
    while not (done := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.001)
    if not done[0]:
        os.kill(child, number)
        done = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(done[1]) in (0, 130, -signal.SIGKILL), f"{how}: ended with {done[1]}"
    return json.loads(file.read_text()) if file.is_file() else None


def check(found: dict[str, Any], whole: dict[str, Any]) -> None:
    """A run that was ended keeps the best so far; one that was not gives the same bits."""
    if not found["ended"]:
        assert found == whole
        return
    n = len(found["history"])
    assert found["history"] == whole["history"][:n]
    if n and found["program"] != whole["program"]:
        assert found["validation"] in found["again"]
        if found["again"][0] == found["validation"]:
            learned = [row["score"] for row in found["history"] if not {"saves", "adjusts"} & row.keys()]
            assert found["validation"] >= max(learned)


def ended(how: str, times: int) -> dict[str, Any]:
    """End runs; how often, and what was seen."""
    rng = np.random.default_rng(list(how.encode()))
    counts: dict[str, Any] = dict.fromkeys(("killed", "interrupted", "kept", "whole"), 0)
    with tempfile.TemporaryDirectory() as folder:
        whole = run(how, Path(folder, "first"))
        begun = time.monotonic()
        second = forked(how, Path(folder), signal.SIGKILL, 600.0)
        seconds = time.monotonic() - begun
        assert second == whole
    so_far = 0  # runs that came to their end before the signal do not count
    while so_far < times or not counts["whole"]:
        with tempfile.TemporaryDirectory() as folder:
            found: dict[str, Any] | None = {"ended": True}
            while found is None or found["ended"]:
                number = (signal.SIGINT, signal.SIGKILL)[so_far % 2]
                found = forked(how, Path(folder), number, rng.uniform(0, seconds / 2) if so_far < times else 600.0)
                so_far += found is None or found["ended"]
                counts["kept"] += bool(found and found["ended"])
                counts["whole"] += bool(found and not found["ended"])
                counts["killed"] += found is None and number == signal.SIGKILL
                counts["interrupted"] += found is None and number == signal.SIGINT
                if found is not None:
                    check(found, whole)
    return counts | {"how": how, "seconds": seconds, "phases": len(whole["history"])}


if __name__ == "__main__":
    for one in sys.argv[2:]:
        print(json.dumps(ended(one, int(sys.argv[1]))), flush=True)
