"""The page that ``snn_control train`` writes at the end; an episode is played for it."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.probe import Activity, probe
from ..analysis.stimulus import closed_loop
from ..controller import Controller
from ..errors import DescriptionError
from ..files import reason
from ..report.page import REPORT, Clip, Omitted
from ..report.training_page import Training, write_training_page
from ..report.video_file import EpisodeVideo
from .common import make_environment, our_output

if TYPE_CHECKING:
    from ..training.result import Trained

__all__ = ["make_page"]

MOST_STEPS = 1_000  # longest episode
FPS, PICTURES, WIDEST = 10.0, 100, 360  # limits of the video, which is embedded in the page
PATIENCE = 4.0  # s, longest time for drawing the frames


def make_page(
    folder: Path, file: Path, env: str, arguments: Mapping[str, Any], runs: Mapping[str, Trained],
    scores: Mapping[str, Mapping[str, float]], compared: Mapping[str, Any], conduct: Mapping[str, Any],
) -> Path | None:  # fmt: skip
    """Write the page into a run's folder. If that fails, print one line on stderr and return None: training does not
    depend on it.

    file : the trained controller
    runs : name of a run -> result, the selected one first
    scores, compared : as `Training` has them
    conduct : as `conduct_rows` returns it
    """
    kept = next(iter(runs.values()))
    e = kept.evaluation
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with our_output():
            activity, video = _episode(kept, env, arguments, int(e.seeds[0]), float(e.returns[0]))
        given = [f"{key} = {value}" for key, value in arguments.items()]
        training = Training(
            title=f"{file.name} in {env}",
            facts=[f"trained by {kept.how}", f"{kept.steps:,} steps, {len(kept.history)} phases", *given],
            spec=kept.spec,
            histories={name: one.history for name, one in runs.items()},
            scores=scores,
            compared=list(compared),
            episodes=len(e.returns),
            spikes={name: float(value.mean()) for name, value in e.spikes_of.items()},
            operations={name: float(value.mean()) for name, value in e.operations_of.items()},
            commands=conduct["commands"],
            neurons=conduct["neurons"],
            warnings=kept.warnings,
            activity=activity,
            video=video,
        )
        write_training_page(folder / REPORT, training)
    except Exception as error:  # from an environment, a drawing library, or a missing package
        print(f"no page: {reason(error)}", file=sys.stderr)
        return None
    return folder / REPORT


def _episode(
    trained: Trained, env: str, arguments: Mapping[str, Any], seed: int, score: float
) -> tuple[Activity, Clip | Omitted]:
    """The activity in the episode of a seed, and a video of it, or why there is none."""
    controller = Controller.from_spec(trained.spec)
    with tempfile.TemporaryDirectory() as folder:
        world, video, missing = _drawn(env, arguments, seed, Path(folder) / "episode.gif")
        take = video.take if video is not None else lambda: None
        stimulus = closed_loop(
            world, controller, f"{env}, return {score:.4g}", MOST_STEPS * controller.repeat, seed,
            most_episodes=1, before_step=take,
        )  # fmt: skip
        world.close()
        activity = probe(controller.program, stimulus)
        if video is None:
            return activity, Omitted("Video", missing)
        video.close()
        seconds = video.pictures / video.fps
        caption = f"The first {seconds:.1f} s of the same episode as below, {video.fps:g} pictures a second."
        return activity, Clip("Video", caption, f"Video of an episode in {env}.", video.path.read_bytes())


def _drawn(env: str, arguments: Mapping[str, Any], seed: int, path: Path) -> tuple[Any, EpisodeVideo | None, str]:
    """The environment; a video of it, or None and the reason why there is none."""
    plain = make_environment(env, arguments)
    if "rgb_array" not in (plain.metadata.get("render_modes") or []):
        return plain, None, "the environment draws no pictures (it has no render mode rgb_array)"
    try:
        world = make_environment(env, arguments, render_mode="rgb_array")
    except DescriptionError as error:
        return plain, None, error.rule
    video = EpisodeVideo(path, world, FPS, PICTURES, WIDEST)
    world.reset(seed=seed)
    try:
        video.picture()
        begin = time.perf_counter()
        video.picture()  # the first one takes longer than the others
    except DescriptionError as error:
        video.discard()
        return plain, None, "; ".join(filter(None, (error.rule, error.fix)))
    video.most = int(min(PICTURES, 1 + PATIENCE / (time.perf_counter() - begin)))
    return world, video, ""
