"""Write the HTML page of ``snn_control train`` about a training run, with a video and the activity of one episode."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.stimulus import Stimulus, closed_loop
from ..controller import Controller
from ..errors import DescriptionError, counted
from ..files import reason, replace_text
from ..record.recorded_run import RecordedRun
from ..report.kit import MUTED, Picture, axes_in_rows, legend_above, paint
from ..report.page import REPORT, Clip, Omitted, Page
from ..report.table import Section, count, number
from ..report.video_file import EpisodeVideo
from ..watch.colours import PALETTE
from ..watch.page_file import embedded
from ..watch.training import curve_of
from .common import make_environment, our_output

if TYPE_CHECKING:
    from ..training.result import Trained

__all__ = ["make_page"]

MOST_STEPS = 1_000  # length of the longest episode
FPS, PICTURES, WIDEST = 10.0, 100, 360  # limits of the video, which is embedded in the page
STAGE = "saves"  # key of the rows of the phases that reduce spikes
STAGES = {STAGE: "spikes are reduced", "adjusts": "gains are searched"}  # key of a phase's row -> name
PATIENCE = 4.0  # s, longest time for drawing the frames


def make_page(
    folder: Path, file: Path, env: str, arguments: Mapping[str, Any], runs: Mapping[str, Trained],
    scores: Mapping[str, Mapping[str, float]], compared: Mapping[str, Any], conduct: Mapping[str, Any], learned: str,
) -> Path | None:  # fmt: skip
    """Write the page to a run's folder, and return the page's path.

    If writing fails, print one line on standard error and return None, because the training itself has succeeded.

    file : file of the trained controller
    runs : name of a run -> its result; the selected run comes first
    scores : name -> mean, std, worst and best of the returns in new episodes; the controller comes first
    compared : the names in ``scores`` that are not runs of this training, such as baselines
    conduct : result of `command_rows`
    learned : sentence that says how the controller compares with random actions
    """
    kept = next(iter(runs.values()))
    e = kept.evaluation
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with our_output():
            stimulus, video = _episode(kept, env, arguments, int(e.seeds[0]), float(e.returns[0]))
        spikes, operations = ({name: float(value.mean()) for name, value in of.items()}
                              for of in (e.spikes_of, e.operations_of))  # fmt: skip
        curve = _curve([one.history for one in runs.values()], {who: scores[who]["mean"] for who in compared})
        none = Omitted("Learning curve", "training ended before its first validation")
        title = f"{file.name} in {env}"
        page = Page(
            title=title,
            facts=[learned, f"trained by {kept.how}", counted(kept.steps, "step"), counted(len(kept.history), "phase"),
                   *(f"{key} = {value}" for key, value in arguments.items()), f"below: {stimulus.text}"],
            tiles=_tiles(scores, compared, len(e.returns), sum(spikes.values()), sum(operations.values())),
            live=embedded(RecordedRun({}, stimulus.log, kept.spec), title, training=curve),
            pictures=[*_choice(kept), *([video] if curve else [none, video])],
            sections=_sections(scores, len(e.returns), conduct, {"Spikes": spikes, "Synaptic operations": operations}),
            notes=[str(one) for one in kept.warnings],
        )  # fmt: skip
        replace_text(folder / REPORT, page.html())
    except Exception as error:  # from an environment, a drawing library, or a missing package
        print(f"no page: {reason(error)}", file=sys.stderr)
        return None
    return folder / REPORT


def _curve(histories: Sequence[Sequence[Mapping[str, Any]]], actors: Mapping[str, float]) -> dict[str, Any] | None:
    """Return the learning curve for the page; None if the histories contain none.

    histories : for each seed, one mapping per phase of the training; the selected seed comes first
    actors : mean returns of actors that do not learn, by name; not used for online learning, whose phases have no
        validation
    """
    kept, *others = histories
    if not kept:
        return None
    stages = [(name, [row["steps"] for row in kept if row.get(key)]) for key, name in STAGES.items()]
    return curve_of(kept) | {
        "seeds": [curve_of(rows) for rows in others if rows], "actors": dict(actors) if "worst" in kept[0] else {},
        "stages": [(name, steps[0], steps[-1]) for name, steps in stages if steps],
    }  # fmt: skip


def _choice(kept: Trained) -> list[Picture]:
    """Return the picture of score over spikes, from which a controller with few spikes was chosen, if there was one."""
    rows = [row for row in kept.history if STAGE in row]
    if not rows:
        return []

    def fill(figure: Any) -> tuple[str, str]:
        (axes,) = axes_in_rows(figure, 1, 1, 3.2)
        before = [row for row in kept.history if STAGE not in row and "adjusts" not in row]
        for found, label, colour in ((before, "learning", MUTED), (rows, "reducing spikes", PALETTE[0])):
            spikes, score, error = ([row[key] for row in found] for key in ("spikes_a_step", "score", "error"))
            axes.errorbar(spikes, score, error, fmt="o", markersize=4, elinewidth=1, color=colour, label=label)
        e = kept.evaluation
        axes.plot(e.spikes.mean(), e.score, "*", markersize=16, color=PALETTE[1], label="the trained controller")
        axes.set(xscale="log", xlabel="spikes in a step of the environment", ylabel="score")
        legend_above(axes, 3)
        return (
            "Each point is the validation after a phase, with its standard error. The star is the trained controller "
            "in the episodes of the table below.",
            "Score over spikes, one point for each phase of training.",
        )

    return [paint("Score over spikes", fill)]


def _tiles(
    scores: Mapping[str, Mapping[str, float]], compared: Iterable[str], episodes: int, spikes: float, operations: float
) -> list[tuple[str, str, str]]:
    own, *_ = scores.values()
    return [
        ("return", number(own["mean"], 4), f"± {number(own['std'])}, mean of {count(episodes, 'new episode')}"),
        ("worst of them", number(own["worst"], 4), f"best {number(own['best'], 4)}"),
        *((who, number(scores[who]["mean"], 4), "on the same episodes") for who in compared),
        ("spikes", number(spikes), "a step of the environment"),
        ("synaptic operations", number(operations), "a step of the environment"),
    ]


def _sections(
    scores: Mapping[str, Mapping[str, float]], episodes: int, conduct: Mapping[str, Any],
    costs: Mapping[str, Mapping[str, float]],
) -> list[Section]:  # fmt: skip
    """Return the page's tables: returns, commands, neurons, and one for each kind of cost.

    scores, conduct : as in `make_page`
    episodes : number of episodes that were played
    costs : kind of cost -> label of the part that causes it -> number per step of the environment
    """

    def rows(found: Sequence[Mapping[str, Any]], keys: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
        return tuple((str(one["where"]), *(number(one[key]) for key in keys)) for one in found)

    columns = ("mean", "std", "worst", "best")
    returns = tuple((who, *(number(one[key], 4) for key in columns)) for who, one in scores.items())
    moving = {"changes_hz": "changes [1/s]", "sign_changes_hz": "sign changes [1/s]", "at_a_limit": "at a limit"}
    moving = {key: name for key, name in moving.items() if any(one[key] is not None for one in conduct["commands"])}
    firing = {"neurons": "neurons", "never": "never fired", "always": "always fired"}
    at_a_limit = "At a limit: share of the ticks; for a squashed command, within 1 % of its range from a limit."
    totals = {what: sum(each.values()) or 1.0 for what, each in costs.items()}
    return [
        Section(f"Returns of {count(episodes, 'new episode')}", ("", *columns), returns),
        Section("Commands", ("", *moving.values()), rows(conduct["commands"], moving),
                at_a_limit if "at_a_limit" in moving else ""),
        Section("Neurons", ("", *firing.values()), rows(conduct["neurons"], firing),
                "Always: in more than 95 % of the network steps that the refractory period allows."),
        *(Section(what, ("", "a step", "share"),
                  tuple((label, number(n), f"{n / totals[what]:.0%}") for label, n in each.items()))
          for what, each in costs.items()),
    ]  # fmt: skip


def _episode(
    trained: Trained, env: str, arguments: Mapping[str, Any], seed: int, score: float
) -> tuple[Stimulus, Clip | Omitted]:
    """Play the episode with a seed again. Return the controller's inputs, and a video or the reason for its absence."""
    controller = Controller.from_spec(trained.spec)
    with tempfile.TemporaryDirectory() as folder:
        world, video, missing = _drawn(env, arguments, seed, Path(folder) / "episode.gif")
        take = video.take if video is not None else lambda: None
        stimulus = closed_loop(
            world, controller, f"{env}, return {score:.4g}", MOST_STEPS * controller.repeat, seed,
            most_episodes=1, before_step=take,
        )  # fmt: skip
        world.close()
        if video is None:
            return stimulus, Omitted("Video", missing)
        video.close()
        seconds = video.pictures / video.fps
        caption = f"The first {seconds:.1f} s of the same episode as above, {video.fps:g} pictures a second."
        return stimulus, Clip("Video", caption, f"Video of an episode in {env}.", video.path.read_bytes())


def _drawn(env: str, arguments: Mapping[str, Any], seed: int, path: Path) -> tuple[Any, EpisodeVideo | None, str]:
    """Make an environment that draws pictures for a video. Return the environment, the video, and an empty text.

    If no video is possible, the second value is None, and the text is the reason.
    """
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
