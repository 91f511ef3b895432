"""``snn_control quantize FILE --env ID --out Q.yaml``: convert the weights of a trained controller to int8."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DescriptionError
from . import common
from .training_display import display

if TYPE_CHECKING:
    from ..controller_file import ControllerSpec
    from ..training.environments.evaluation import Evaluation

MORE = """\
The weights of dense projections from neurons that spike at most once in a step become int8. The controller then
imitates itself, with the rounded weights in the engine. The file gets the better one of rounded and trained weights,
by return in validation episodes, as int8 arrays, and it runs with the bits that were trained. At the end all three
controllers play the same new episodes. Ctrl-C ends early with the best controller so far; the same command resumes.

To train with int8 weights from the start: snn_control train FILE --env ID --set weights=int8

examples:
  snn_control quantize trained.yaml --env CartPole-v1 --out small.yaml
  snn_control quantize trained.yaml --env Pendulum-v1 --out small.yaml --steps 20000
"""
VALIDATED = 20  # episodes by which rounded and trained weights are compared
FLOAT, ROUNDED, TRAINED = "float32", "int8, rounded", "int8, trained"


def add_to(commands: Any) -> None:
    parser = common.add_command(commands, "quantize", run, "convert the weights of a trained controller to int8", MORE)
    common.add_shared(parser, "file")
    common.add_shared(parser, "--env", type=common.environment, required=True)
    common.add_shared(parser, "--arg")
    parser.add_argument("--out", metavar="FILE", required=True, help="controller file to write, .yaml")
    common.add_shared(parser, "--force")
    parser.add_argument("--seed", type=common.whole(0), default=1, help="seed of all random numbers (default 1)")
    text = "steps of the environment (default: depends on the environment)"
    parser.add_argument("--steps", type=common.whole(1), metavar="N", help=text)
    text = "setting of `train --how imitate`, e.g. gradient_steps=200; may be repeated"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)
    text = "folder for checkpoints and progress (default runs/quantize-NAME)"
    parser.add_argument("--run", metavar="FOLDER", help=text)
    common.add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from ..controller import build_program
    from ..controller.int8 import with_int8
    from ..controller_file import load_spec
    from ..files import writing
    from ..resources import controller_path
    from ..training.environments.gymnasium_calls import LIMIT, episode_limit
    from ..training.result import VALIDATION
    from ..training.trainer import train

    common.need_extra("gymnasium", "sim")
    if not options.out.endswith((".yaml", ".yml")):
        raise DescriptionError("--out", options.out, "must end with .yaml")
    path, arguments = Path(controller_path(options.file, "FILE")), common.keywords(options.arg)
    spec, name = load_spec(path), Path(options.out).stem
    folder = Path(options.run or f"runs/quantize-{name}")
    common.check_out(options, folder)
    rounded = with_int8(spec)
    settings = common.keywords(options.set, "--set")
    settings |= {"total_timesteps": options.steps} if options.steps else {}
    with common.our_output():
        world = common.make_environment(options.env, arguments)
        if episode_limit(world) is None:
            arguments["max_episode_steps"] = LIMIT
        world.close()
    with common.our_output(), display([name]) as shown:
        trained = train(
            rounded, options.env, arguments=arguments, how="imitate", teacher=str(path), seed=options.seed, run=folder,
            settings=settings, progress=lambda phase: shown.phase(name, phase),
        )  # fmt: skip
        candidates = {ROUNDED: rounded, TRAINED: trained.spec}
        tried = _played(options.env, arguments, range(VALIDATION, VALIDATION + VALIDATED), candidates)
        best = max(candidates, key=lambda one: (tried[one].score, -tried[one].spikes.mean()))
        played = _played(options.env, arguments, trained.evaluation.seeds, {FLOAT: spec, ROUNDED: rounded})
    played[TRAINED] = trained.evaluation
    before, after = played[FLOAT].score, played[best].score
    head = f"Made by: snn_control quantize {options.file} --env {options.env} --out {Path(options.out).name}\n"
    with writing("--out", options.out):
        candidates[best].save(options.out, head + f"return {after:.4g}, with float32 weights {before:.4g}")
        common.note_result(folder, options.out)
    sizes = {name: build_program(one).constants.size for name, one in {FLOAT: spec, **candidates}.items()}
    _tell(options, played, sizes, best)
    return 130 if trained.ended else 0


def _played(
    environment: str, arguments: dict[str, Any], seeds: Any, specs: dict[str, ControllerSpec]
) -> dict[str, Evaluation]:
    """Play the episodes with these seeds with each controller: name of the controller -> its evaluation.

    specs : the controllers by name
    """
    from ..controller import build_program
    from ..training.environments.evaluation import with_environments
    from ..training.environments.vector_env import Interface

    world = common.make_environment(environment, arguments)
    play = with_environments(lambda: common.make_environment(environment, arguments), [int(seed) for seed in seeds])
    spaces = world.observation_space, world.action_space, environment
    return {name: play(build_program(spec), Interface(spec, *spaces)) for name, spec in specs.items()}


def _tell(options: argparse.Namespace, played: dict[str, Evaluation], sizes: dict[str, int], best: str) -> None:
    """Print the returns and the sizes of the controllers.

    played : evaluations of the controllers by name
    best : name of the controller that was written to the file
    """
    rows = {
        name: {"mean": one.score, "std": float(one.returns.std()), "worst": float(one.returns.min()),
               "spikes": float(one.spikes.mean()), "constants": sizes[name]}
        for name, one in played.items()
    }  # fmt: skip
    if options.json:
        common.print_json({
            "file": options.out, "env": options.env, "episodes": len(played[FLOAT].returns), "before": rows[FLOAT],
            "rounded": rows[ROUNDED], "trained": rows[TRAINED], "after": rows[best], "written": best,
        })  # fmt: skip
        return
    columns = ["weights", "return", "std", "worst", "spikes per step", "constants [B]"]
    title = f"{options.env}: {len(played[FLOAT].returns)} new episodes"
    common.table(title, columns, [[name, *row.values()] for name, row in rows.items()])
    print(f"{options.out}: {best}: written. Next: snn_control run --env {options.env} {options.out}")
