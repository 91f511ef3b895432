"""``snn_control import POLICY --env ID``: convert a trained policy to a spiking controller, and compare the two."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DescriptionError
from ..files import digest_of
from . import common
from .training_display import display

if TYPE_CHECKING:
    from ..training.conversion.conversion import Comparison, Conversion, Converted

__all__ = ["MORE", "add_options", "convert"]

MORE = """\
A POLICY with --env is converted to spiking neurons, which then imitate it on the engine's own spikes:
  FILE.zip          of stable-baselines3 or its contrib: MlpPolicy of PPO, A2C, TRPO, SAC, TD3, DDPG, TQC, DQN, QR-DQN;
                    --normalize FILE.pkl adds the statistics of a VecNormalize
  FILE.onnx         a multilayer perceptron
  module:function   any function of an observation
Nothing in a file is unpickled or run. The spikes in a step fall to --spikes; neurons that never fire go. At the end
policy and controller play the same new episodes. If the controller keeps less than --least of the policy's return
(counted from the return of random actions), the exit code is 1 and no file is written, except with --keep. Ctrl-C ends
early with the best controller so far; the same command resumes.
"""
KINDS = ".zip", ".onnx"
OBSERVATIONS = 500  # over which the energy of the controller is averaged


def add_options(parser: argparse.ArgumentParser) -> None:
    policy = parser.add_argument_group("a policy")
    common.add_shared(policy, "--env", type=common.environment)  # type: ignore[arg-type]
    common.add_shared(policy, "--arg")  # type: ignore[arg-type]
    policy.add_argument("--normalize", metavar="FILE.pkl", help="statistics of observations, saved by VecNormalize")
    text = "spikes of all neurons in a step (default: half of those of the first conversion, a third for choices)"
    policy.add_argument("--spikes", type=common.number(0.1), metavar="N", help=text)
    text = (
        "graded projections from the observation past the spikes: none, linear (default), or fields (also from "
        "Gaussian fields of each number: fewer spikes, more operations)"
    )
    policy.add_argument("--skip", choices=("none", "linear", "fields"), default="linear", help=text)
    policy.add_argument("--seed", type=common.whole(0), default=1, help="seed of all random numbers (default 1)")
    text = "share of the policy's return that must be kept (default 0.98)"
    policy.add_argument("--least", type=common.number(-1e9), default=0.98, metavar="SHARE", help=text)
    policy.add_argument("--keep", action="store_true", help="write the file even if less is kept")
    text = "setting of the conversion, e.g. gradient_steps=800; may be repeated"
    policy.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)
    text = "folder for checkpoints and progress (default runs/import-NAME)"
    policy.add_argument("--run", metavar="FOLDER", help=text)


def convert(options: argparse.Namespace) -> int:
    """Convert the policy that the options select. Return the exit code of the command."""
    from ..errors import optional
    from ..gym_adapter.period import period_of
    from ..training.conversion.conversion import Conversion
    from ..training.progress import Folder, locked_folder

    if not options.out:
        raise DescriptionError("--out", None, "is needed", "name the controller file to write, FILE.yaml")
    common.need_extra("gymnasium", "sim")
    threads = optional("threadpoolctl", "conversion needs threadpoolctl", "training")
    arguments, settings = common.keywords(options.arg), _settings(options)
    with common.our_output():
        env = common.make_environment(options.env, arguments)
        policy = _policy(options, env)
    folder = Path(options.run or f"runs/import-{Path(options.out).stem}")
    common.check_out(options, folder)
    digest = digest_of(options.file) if options.file.endswith(KINDS) else ""
    statistics = digest_of(options.normalize) if options.normalize else ""
    asked = {
        "env": options.env, "arguments": arguments, "policy": str(options.file), "digest": digest,
        "normalize": options.normalize, "normalize_digest": statistics, "seed": options.seed,
        "settings": vars(settings),
    }  # fmt: skip
    name, begun = Path(options.out).stem, time.process_time()
    # more threads are slower for matrices this small, and their number would change the bits
    with locked_folder(folder), threads.threadpool_limits(1), common.our_output(), display([name]) as shown:
        run = Conversion(
            policy, lambda: common.make_environment(options.env, arguments), period_of(env), settings, options.seed,
            Folder(folder, asked), lambda phase: shown.phase(name, phase),
        )  # fmt: skip
        found = run.run()
    return _tell(options, run, found, folder, time.process_time() - begun)


def _settings(options: argparse.Namespace) -> Any:
    from ..training.conversion.settings import ConversionSettings
    from ..training.trainer import settings_of

    given = common.keywords(options.set, "--set") | {"skip": options.skip}
    given |= {"spikes": float(options.spikes)} if options.spikes else {}
    return settings_of("import", ConversionSettings, {}, given)


def _policy(options: argparse.Namespace, env: Any) -> Any:
    """Read the trained policy, and check that the policy fits the environment."""
    ends = [getattr(env.action_space, end, 0.0) for end in ("low", "high")]
    if not np.isfinite(ends).all():
        rule = "has actions without bounds, which a controller's limits need"
        raise DescriptionError("--env", options.env, rule, "give its action space bounds")
    from ..training.teachers.function_policy import FunctionPolicy
    from ..training.teachers.trained_policy import load_policy

    if not options.file.endswith(KINDS):
        if options.normalize:
            raise DescriptionError("--normalize", options.normalize, "is for a .zip or .onnx", "leave it out")
        return FunctionPolicy(options.file, env)
    policy = load_policy(options.file, options.normalize, "POLICY").for_space(env.action_space)
    try:
        policy.check(env.observation_space, env.action_space)
    except ValueError as error:
        raise DescriptionError("POLICY", options.file, str(error)) from None
    return policy


def _tell(options: argparse.Namespace, run: Conversion, found: Converted, folder: Path, cpu: float) -> int:
    """Print the comparison of controller and policy. If the controller's return is sufficient, write its file.

    Return the exit code of the command.
    """
    from ..files import writing

    c, e = found.comparison, found.evaluation
    kept = c.share >= options.least and c.policy.mean() > c.chance
    spikes, energy = float(e.spikes.mean()), _energies(found, run)
    head = (
        f"Made by: {command_of(options)}\n{options.env}: return {e.score:.4g}, policy {c.policy.mean():.4g}, share "
        f"{c.share:.4g} of the way from chance, of {len(c.policy)} episodes; {spikes:.3g} spikes per step"
    )
    if kept or options.keep:
        with writing("--out", options.out):
            found.spec.save(options.out, head)
            common.note_result(folder, options.out)
    page = _page(options, found, folder)
    if options.json:
        common.print_json({
            "policy_return": float(c.policy.mean()), "return": e.score, "share": c.share, "share_low": c.low,
            "spikes": spikes, "skip_share": found.skip_share, "cpu_s": cpu, "episodes": len(c.policy),
            "chance": c.chance, "operations": float(e.operations.mean()), "difference": found.difference, **energy,
            "file": options.out if kept or options.keep else None, "page": page,
        })  # fmt: skip
    else:
        own = c.policy
        rows: list[list[Any]] = [
            ["policy", float(own.mean()), float(own.std()), float(own.min()), "", energy["policy_nanojoule"]],
            ["controller", e.score, float(e.returns.std()), float(e.returns.min()), spikes, energy["nanojoule"]],
            ["policy in int8", "", "", "", "", energy["policy_int8_nanojoule"]],
            ["chance", c.chance, "", "", "", ""],
        ]  # fmt: skip
        rows = [row for row in rows if any(one not in ("", None) for one in row[1:])]
        heads = ["", "return", "std", "worst", "spikes per step", "energy [nJ per step]"]
        title = f"{options.env}: {len(c.policy)} new episodes; energy is an estimate with memory accesses"
        common.table(title, heads, rows)
        if c.policy.mean() > c.chance:
            print(
                f"kept: {100 * c.share:.1f} % of the way from chance to the policy (95 %: at least {100 * c.low:.1f} %)"
            )
        what = (
            "choices that differ" if run.head.kind == "argmax" else "mean difference of commands, of half their range"
        )
        print(f"{what}: {100 * found.difference:.2g} %; through the skip: {100 * found.skip_share:.0f} %")
        print(f"page: {page}" if page else "no page")
        for note in _notes(run):
            print(f"note: {note}")
        if kept or options.keep:
            print(f"{options.out}: written. Next: snn_control run --env {options.env} {options.out}")
    if found.ended:
        print("interrupted: the same command resumes it", file=sys.stderr)
        return 130
    if not kept:
        state = "written all the same" if options.keep else "not written"
        print(f"{options.out}: {state}: {_shortfall(options, c)}", file=sys.stderr)
        return 1
    return 0


def _notes(run: Conversion) -> list[str]:
    """Return what the user must know before the controller runs on a robot."""
    low, high = (end(run.data["observations"], axis=0) for end in (np.min, np.max))
    held = np.flatnonzero(low == high)
    notes = ["observed numbers beyond what the episodes contained are limited to the `range` of the input, and counted"]
    if held.size:
        listed = ", ".join(str(k) for k in held[:20]) + ", ..." * (held.size > 20)
        notes.append(f"observed numbers {listed} never changed, so that the controller ignores them")
    if run.head.kind != "argmax":
        notes.append(
            "during a fault the commands are 0: for positions, write `safe: hold`, or a `safe` position and `slew`"
        )
    return notes


def _shortfall(options: argparse.Namespace, c: Comparison) -> str:
    """Return a text on the controller's insufficient return, with advice."""
    if c.policy.mean() <= c.chance:
        given = "the statistics of its VecNormalize are missing (--normalize FILE.pkl), or " * (not options.normalize)
        return f"the policy itself is no better than random actions: {given}it was trained in another environment"
    skip = "" if options.skip == "fields" else "--skip fields, " if options.skip == "linear" else "--skip linear, "
    fix = f"try more --spikes, {skip}or --set gradient_steps=1000"
    return f"share {c.share:.3f} is below --least {options.least:g}; {fix}"


def _energies(found: Converted, run: Conversion) -> dict[str, float | None]:
    """Return the estimated energy per step, including memory accesses [nJ].

    nanojoule : energy of the controller
    policy_nanojoule : energy of the policy; None if the policy's layers are not known
    policy_int8_nanojoule : energy of the policy with int8 weights; None if the policy's layers are not known
    """
    from ..analysis.energy import estimate, memory
    from ..analysis.perceptron import perceptron
    from ..controller import Controller

    controller = Controller.from_spec(found.spec)
    name = found.spec.inputs[0].name
    for observation in run.data["observations"][-OBSERVATIONS:]:
        controller.step({name: observation})
    weights, sums = (sum(layer[k].size for layer in run.policy.layers) for k in (0, 1))
    own = (perceptron(weights, sums, one).nanojoule if weights else None for one in ("float32", "int8"))
    total = float(estimate(controller.bound).tick + memory(controller.bound)) * 1e-3
    return {"nanojoule": total, **dict(zip(("policy_nanojoule", "policy_int8_nanojoule"), own, strict=True))}


def _page(options: argparse.Namespace, found: Converted, folder: Path) -> str | None:
    """Write the HTML page about the conversion. Return the path of the page; None if writing fails."""
    from ..findings import Finding
    from ..training.result import Trained
    from .train import conduct_of, spread
    from .training_page import make_page

    c, e = found.comparison, found.evaluation
    text = f"{100 * c.share:.1f} % of the way from chance to the policy (95 %: at least {100 * c.low:.1f} %)"
    kept = Finding("skip", "note", f"{100 * found.skip_share:.0f} % of the last layer's values pass the spikes by")
    trained = Trained(found.spec, f"imitation of {Path(options.file).name}", e, found.history,
                      found.history[-1]["steps"] if found.history else 0, warnings=[kept])  # fmt: skip
    compared = {"policy": spread(c.policy), "chance": spread(np.array([c.chance]))}
    scores = {"controller": spread(e.returns)} | compared
    where = folder, Path(options.out), options.env, common.keywords(options.arg)
    page = make_page(*where, {"controller": trained}, scores, compared, conduct_of(trained), text)
    return None if page is None else str(page)


def command_of(options: argparse.Namespace) -> str:
    """Return the command that converts to the same controller. Options that do not change the result are left out."""
    import shlex

    said = ["snn_control import", shlex.quote(options.file), f"--env {options.env}"]
    said += [f"--arg {shlex.quote(pair)}" for pair in options.arg]
    said += [f"--normalize {shlex.quote(options.normalize)}"] if options.normalize else []
    said += [f"--spikes {options.spikes:g}"] if options.spikes else []
    said += [f"--skip {options.skip}", f"--seed {options.seed}"]
    said += [f"--set {shlex.quote(pair)}" for pair in options.set]
    return " ".join([*said, f"--out {Path(options.out).name}"])
