"""Functions that several commands share: declare and check arguments, make environments, and print output."""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..errors import DescriptionError, SnnControlError, how_to_install, in_file
from ..files import digest_of, replace_text, writing
from ..gym_adapter.spaces import check_action, check_observation

if TYPE_CHECKING:
    from ..controller import Controller


RESULT = "result.sha256"  # in the folder of a run: digest of the file that the run wrote
EXPONENT = re.compile(r"[-+]?\d+[eE][-+]?\d+")

#: arguments that several commands share
SHARED: dict[str, dict[str, Any]] = {
    "file": {"metavar": "FILE", "help": "controller file, or the name of a shipped one"},
    "--env": {"metavar": "ID", "help": "any registered environment, or module:ID"},
    "--arg": {"action": "append", "default": [], "metavar": "KEY=VALUE", "help": "argument of the environment"},
    "--perturb": {
        "action": "append",
        "default": [],
        "metavar": "NAME=VALUE ...",
        "help": "perturb each episode: a number, or a range low:high; docs/howto/robustness.md has the names",
    },
    "--force": {"action": "store_true", "help": "replace the file if it exists already"},
    "--json": {"action": "store_true", "help": "print one JSON object"},
}


def add_shared(parser: argparse.ArgumentParser, name: str, **other: Any) -> None:
    """Add to a parser an argument from the table `SHARED`, whose arguments several commands have in common.

    name : name of the argument
    other : keyword arguments of ``add_argument``, which replace those in `SHARED`
    """
    parser.add_argument(name, **{**SHARED[name], **other})


def write_new(options: argparse.Namespace, text: str) -> bool:
    """Write a text to ``options.file``, or print the text if this is None. Return whether a file was written."""
    if options.file is None:
        sys.stdout.write(text)
        return False
    with writing("FILE", options.file):
        check_free("FILE", options.file, options.force)
        replace_text(options.file, text)
    return True


def add_command(commands: Any, name: str, run: Any, summary: str, more: str = "") -> argparse.ArgumentParser:
    """Add a subcommand, and return the subcommand's parser.

    run : function that runs the subcommand; its argument is the parsed options
    summary : one line for the list of commands
    more : text after the options in the subcommand's help
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(execute=run)
    return parser


def add_out(parser: argparse.ArgumentParser, name: str, what: str, required: bool = False) -> None:
    """Add the options ``--out``, the path of a new file, and ``--force``, which permits replacing an existing file."""
    parser.add_argument("--out", metavar=name, required=required, help=what)
    parser.add_argument("--force", action="store_true", help="replace the file of --out if it exists already")


def check_out(options: argparse.Namespace, run: Path | None = None) -> None:
    """Raise DescriptionError if the file of ``--out`` cannot be written, or exists while ``--force`` is missing.

    run : as in `check_free`
    """
    if not options.out:
        return
    out = Path(options.out)
    for wrong, reason in (  # checked now, before minutes of work
        (out.is_dir(), "is a folder"),
        (not out.parent.is_dir(), "its folder is not there"),
        (not os.access(out.parent, os.W_OK), "no permission"),
    ):
        if wrong:
            raise DescriptionError("--out", options.out, f"cannot be written: {reason}")
    check_free("--out", options.out, options.force, run)


def check_free(option: str, path: str | None, force: bool, run: Path | None = None) -> None:
    """Raise DescriptionError if the file of an option already exists and may not be replaced.

    path : value of the option; None: the option is missing
    force : whether ``--force`` permits replacing the file
    run : folder of a run that can be resumed; the file that this run wrote (`note_result`) may be replaced
    """
    if path is None or force or not os.path.exists(path):
        return
    with suppress(OSError):
        if run is not None and (run / RESULT).read_text().split() == [digest_of(path)]:
            return
    raise DescriptionError(option, path, "exists already", "choose another name, or give --force")


def note_result(run: Path, path: str | os.PathLike) -> None:
    """Note in the folder of a run which file the run wrote, so that the same command may replace it."""
    replace_text(run / RESULT, digest_of(path) + "\n")


def number(least: float, unit: str = "") -> Callable[[str], float]:
    """Return a converter for argparse (``type=``) that accepts finite numbers >= ``least``."""
    return _number(float, f" is not a number{unit and ' of seconds'}", least, sys.float_info.max, unit)


def whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """Return a converter for argparse (``type=``) that accepts integers from ``least`` to ``most``."""
    return _number(int, ": must be a whole number", least, most, "")


def _number(kind: Any, rule: str, least: float, most: float, unit: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}{rule}") from None
        if not least <= value <= most:
            bound = f"at most {most}" if kind is int and value > most else f"at least {least:g}{unit}"
            raise argparse.ArgumentTypeError(f"{text!r}: must be {bound}")
        return value

    return read


def keywords(pairs: Sequence[str], option: str = "--arg") -> dict[str, Any]:
    """Convert texts such as ``["frequency=0.8", "motion=random"]`` to keyword arguments, with values parsed as YAML.

    option : name of the option, for errors
    """
    found = {}
    for pair in pairs:
        key, mark, value = pair.partition("=")
        if not mark or not key.isidentifier():
            raise DescriptionError(option, pair, "must look like key=value")
        try:
            read = yaml.safe_load(value)
            # YAML 1.1 reads 1e-3, which has no point, as a text
            found[key] = float(read) if isinstance(read, str) and EXPONENT.fullmatch(read) else read
        except (yaml.YAMLError, ValueError, RecursionError):
            raise DescriptionError(option, pair, "has a value that is not YAML", "write e.g. key=[1, 2]") from None
    return found


def arguments_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the ``arguments`` of `make_environment`, from the options ``--arg`` and ``--perturb``."""
    from ..controller_file.perturbations import Perturbations
    from ..training.environments.gymnasium_calls import PERTURB

    perturbations = Perturbations.read(options.perturb, PERTURB).plain
    return keywords(options.arg) | ({PERTURB: perturbations} if perturbations else {})


def each_alone(arguments: Sequence[str], option: str = "--perturb") -> list[str]:
    """Repeat an option before each of its ``name=value`` pairs, because argparse would take FILE as another pair.

    ``--perturb a=1 b=2 FILE`` becomes ``--perturb a=1 --perturb b=2 FILE``.
    """
    found: list[str] = []
    repeats = False
    for one in arguments:
        repeats = repeats and "=" in one and not one.startswith("-")
        if repeats and found[-1] != option:
            found.append(option)
        found.append(one)
        repeats = repeats or one == option
    return found


def need_extra(module: str, extra: str) -> None:
    """Raise SnnControlError if an optional dependency is missing. The error names the command that installs it.

    module : module to look for, which is not imported
    extra : extra of this package that installs the module
    """
    if importlib.util.find_spec(module) is None:
        raise SnnControlError(f"this needs {module}: {how_to_install(extra)}")


def environment(identity: str) -> str:
    """Convert an environment's id, or the name of a shipped world, to an id. This is a converter for argparse."""
    from sim_worlds import WORLDS

    return f"sim_worlds:{identity}" if identity in WORLDS else identity


def make_environment(identity: str, arguments: Mapping[str, Any], **more: Any) -> Any:
    """Make the Gymnasium environment ``identity``. Errors are raised with one-line messages."""
    need_extra("gymnasium", "sim")
    from ..training.environments.gymnasium_calls import make

    for driver in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):  # pygame draws in memory, and would report a missing screen
        if "render_mode" in more:
            os.environ.setdefault(driver, "dummy")
    return make(identity, arguments, **more)


def check_fit(controller: Controller, env: Any, file: str) -> None:
    """Raise DescriptionError if a controller's inputs or outputs do not fit an environment's spaces.

    file : name of the controller file, with which the message begins
    """
    outputs = {name: (output.size, output.actions or None) for name, output in controller.outputs.items()}
    with in_file(file):
        check_action(outputs, env.action_space)
        check_observation(controller.inputs, env.observation_space)


@contextmanager
def our_output() -> Iterator[None]:
    """Context manager that redirects everything that an environment prints, from Python or C, to standard error.

    Standard output then contains only the report of the command.
    """
    sys.stdout.flush()
    ours, libc = os.dup(1), ctypes.CDLL(None)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        libc.fflush(None)
        os.dup2(ours, 1)
        os.close(ours)


def print_json(value: Any) -> None:
    """Print a value as JSON. Numbers that are not finite become null, because JSON cannot express them."""
    finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
    print(json.dumps(finite, indent=1, allow_nan=False))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows as a table, which may be wider than the terminal. Numbers are right-aligned and never truncated."""
    from rich.console import Console
    from rich.markup import escape
    from rich.measure import Measurement
    from rich.table import Table

    shown = Table(title=title, title_justify="left", header_style="bold")
    for k, column in enumerate(columns):
        numbers = all(isinstance(row[k], int | float) and not isinstance(row[k], bool) for row in rows)
        shown.add_column(escape(column), justify="right" if numbers else "left", no_wrap=numbers)
    for row in rows:
        shown.add_row(*(escape(_cell(c)) for c in row))
    console = Console()
    least = Measurement.get(console, console.options.update(width=1_000_000), shown).minimum
    Console(width=max(console.width, least)).print(shown)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
