"""A run of online learning: phase after phase of `Adaptation`, each with a checkpoint, and an evaluation in the end."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...controller import build_program
from ...controller_file import ControllerSpec
from ...findings import Finding, warning
from ..environments.evaluation import Evaluation, with_environments
from ..environments.gymnasium_calls import name_of
from ..environments.vector import Interface
from ..progress import Folder, history_in
from ..result import FINAL, Phase, Trained, first_episode
from .online import Adaptation, AdaptationSettings

__all__ = ["adapt"]

NOTHING_LEARNED = warning(
    "learning", "no weight has changed", "nothing fires before those that learn, or what they learn from is 0"
)


def adapt(
    spec: ControllerSpec, make: Any, chosen: AdaptationSettings, seed: int, folder: Folder | None, most: int,
    progress: Callable[[Phase], object],
) -> Trained:  # fmt: skip
    """Learn online, phase after phase. The evaluation has as many new episodes as have ended, up to ``most``, each of
    which starts from what was learned."""
    loop = Adaptation(spec, make, lambda number: first_episode(seed, 0) + number)
    history: list[dict[str, Any]] = []
    warnings: list[Finding] = []
    if folder is not None and (arrays := folder.load()) is not None:
        with folder.reading():
            loop.restore(arrays)
            history = history_in(arrays)
    length = min(chosen.n_steps, chosen.total_timesteps)
    resumed = len(history) * length
    begun, ended, phases = time.monotonic(), False, chosen.total_timesteps // length
    try:
        while len(history) < phases:
            report = loop.phase(length)
            steps = (len(history) + 1) * length
            history.append({"phase": len(history) + 1, "steps": steps, **report})
            if folder is not None:
                folder.save({**loop.arrays(), "history": np.array(json.dumps(history))}, history)
            best, seconds = max(row["score"] for row in history), time.monotonic() - begun
            spikes, new = report["spikes_a_step"], [] if report["learned"] or warnings else [NOTHING_LEARNED]
            warnings += new
            progress(
                Phase(len(history), steps, chosen.total_timesteps, report["score"], best, spikes, seconds, report, new)
            )
        evaluations = _evaluated(loop, make, min(max(loop.episodes - 1, 1), most))
    except KeyboardInterrupt:
        ended = True
        evaluations = _evaluated(loop, make, 1)
    final, fixed = evaluations
    last = history[-1]["score"] if history else -math.inf
    steps = len(history) * length
    return Trained(loop.learned(), "adapt", final, history, steps, ended, last, warnings, resumed, fixed)


def _evaluated(loop: Adaptation, make: Any, episodes: int) -> tuple[Evaluation, Evaluation]:
    """Evaluate what was learned in new episodes, first with learning on, then off."""
    interface = Interface(loop.spec, loop.env.observation_space, loop.env.action_space, name_of(loop.env))
    play = with_environments(make, [FINAL + k for k in range(episodes)])
    return play(build_program(loop.learned()), interface), play(build_program(loop.learned(on=False)), interface)
