"""CPU time until a score is reached, compared with stable-baselines3 with an MLP of the same width, in turn.

Both train with one thread, and are validated on the same ten episodes without exploration, at about the same numbers of
steps. A run ends when the mean return reaches the target. stable-baselines3 has the settings of RL Baselines3 Zoo.

``--python`` names an interpreter that has stable-baselines3: ``pip install stable-baselines3 'gymnasium[box2d]'``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

SEEDS, EPISODES, WIDTH = 1_000_000_000, 10, 64  # the validation of `train`, and the size of its layers


@dataclass(frozen=True)
class Task:
    """target: mean return; every, most: steps between validations, and at most; peer: the peer's arguments."""

    env: str
    target: float
    every: int
    most: int
    algorithm: str
    environments: int
    peer: dict[str, Any] = field(default_factory=dict)


TASKS = {
    "cartpole": Task("CartPole-v1", 475, 10_240, 300_000, "PPO", 8, {
        "n_steps": 32, "batch_size": 256, "gae_lambda": 0.8, "gamma": 0.98, "n_epochs": 20, "ent_coef": 0.0,
        "learning_rate": 1e-3, "clip_range": 0.2,
    }),
    "pendulum": Task("Pendulum-v1", -160, 1_000, 30_000, "SAC", 1, {"learning_rate": 1e-3}),
    "lander": Task("LunarLander-v3", 200, 16_384, 1_000_000, "PPO", 16, {
        "n_steps": 1024, "batch_size": 64, "gae_lambda": 0.98, "gamma": 0.999, "n_epochs": 4, "ent_coef": 0.01,
    }),
}  # fmt: skip


def ours(task: Task, seed: int) -> dict[str, Any]:
    begin = time.process_time()
    from snn_control.cli import main as snn_control
    from snn_control.controller_file import load_spec
    from snn_control.training import train

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "start.yaml"
        snn_control(["new", str(file), "--env", task.env, "--seed", str(seed)])
        spec = load_spec(file)
    found: dict[str, Any] = {}

    def look(phase: Any) -> None:
        found.update(steps=phase.steps, score=phase.score, cpu=time.process_time() - begin)
        if phase.score >= task.target:
            raise KeyboardInterrupt

    train(spec, task.env, seed=seed, settings={"total_timesteps": task.most, "spike_cost": 0.0}, progress=look)
    return found


def peers(task: Task, seed: int) -> dict[str, Any]:
    begin = time.process_time()
    import stable_baselines3
    import torch
    from stable_baselines3.common.env_util import make_vec_env

    torch.set_num_threads(1)
    envs = make_vec_env(task.env, task.environments, seed=seed)
    cls = getattr(stable_baselines3, task.algorithm)
    model = cls("MlpPolicy", envs, seed=seed, device="cpu", policy_kwargs={"net_arch": [WIDTH, WIDTH]}, **task.peer)
    world = gymnasium.make(task.env)
    found: dict[str, Any] = {"score": -np.inf, "steps": 0}
    while found["score"] < task.target and found["steps"] < task.most:
        model.learn(task.every, reset_num_timesteps=False)
        returns = []
        for k in range(EPISODES):
            (observation, _), over, total = world.reset(seed=SEEDS + k), False, 0.0
            while not over:
                action = model.predict(observation, deterministic=True)[0]
                observation, reward, terminated, truncated, _ = world.step(action)
                over, total = terminated or truncated, total + float(reward)
            returns.append(total)
        found = {"steps": model.num_timesteps, "score": float(np.mean(returns)), "cpu": time.process_time() - begin}
    return found


def run(python: str, who: str, name: str, seed: int) -> dict[str, Any]:
    from .processes import ROOT

    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    line = [python, "-m", "benchmarks.training_peers", "--run", who, name, str(seed)]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"some of {', '.join(TASKS)}")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has stable-baselines3")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one seed of the first task")
    parser.add_argument("--run", nargs=3, metavar=("WHO", "TASK", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run:
        who, name, seed = options.run
        print(json.dumps({"ours": ours, "peers": peers}[who](TASKS[name], int(seed))))
        return {}
    there = [options.python, "-c", "import stable_baselines3"]
    if subprocess.run(there, capture_output=True).returncode:
        print(f"skipped: {options.python} has no stable-baselines3")
        return {}
    names = options.tasks or list(TASKS)
    if importlib.util.find_spec("Box2D") is None:
        names = [name for name in names if not TASKS[name].env.startswith("LunarLander")]
    figures: dict[str, Any] = {}
    for name in names[:1] if options.quick else names:
        rows = []
        for seed in range(1 if options.quick else options.seeds):
            interpreters = {"ours": sys.executable, "peers": options.python}
            both = {who: run(python, who, name, seed) for who, python in interpreters.items()}
            rows.append(both)
            said = "; ".join(
                f"{who} {r['cpu']:.1f} s, {r['steps']:,} steps, {r['score']:.1f}" for who, r in both.items()
            )
            print(f"{name:10} seed {seed}: {said}", flush=True)
        ratio = float(np.median([row["ours"]["cpu"] / row["peers"]["cpu"] for row in rows]))
        print(f"{name:10} median ratio of CPU time: {ratio:.2f}", flush=True)
        figures[name] = {"rows": rows, "ratio": ratio}
    return figures


if __name__ == "__main__":
    main()
