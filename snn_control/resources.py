"""Find the controller files, launch files and recipes that ship with snn_control.

In the repository, these files are in ``config/``, ``launch/`` and ``examples/recipes/``. As in every ROS package, they
are installed to ``share/snn_control`` of the installation prefix. The search works in a checkout, an editable install,
a wheel (virtual environment, ``--user``, ``--target``) and a colcon workspace.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .errors import DescriptionError, close_match

__all__ = ["DEFAULT_CONTROLLER", "DEFAULT_WORLD", "controller_path", "shipped", "shipped_names"]

#: used if no controller or no world is named
DEFAULT_CONTROLLER, DEFAULT_WORLD = "event_tracker", "sim_worlds:PanTiltTracking-v0"
_PACKAGE = Path(__file__).resolve().parent


def _share_folders() -> Iterator[Path]:
    """Yield the folders in which to search for ``config/`` and ``launch/``, beginning with the nearest folder."""
    if (_PACKAGE.parent / "package.xml").is_file():  # a checkout, editable install or colcon --symlink-install
        yield _PACKAGE.parent
    prefixes = [*_PACKAGE.parents[1:5], Path(sys.prefix)]  # <prefix>/lib/python3.x/site-packages/snn_control
    prefixes += [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in prefixes:
        yield prefix / "share" / "snn_control"


def shipped_names(folder: str = "config", suffix: str = ".yaml") -> list[str]:
    """Return the names of the shipped files in ``folder``, sorted and without ``suffix``."""
    for share in _share_folders():
        if (share / folder).is_dir():
            return sorted(path.name.removesuffix(suffix) for path in (share / folder).glob("*" + suffix))
    return []


def shipped(name: str, folder: str = "config", suffix: str = ".yaml") -> Path:
    """Return the path of a file that ships with the package.

    Parameters
    ----------
    name : file name, with or without ``suffix``: ``"cartpole"`` and ``"cartpole.yaml"`` are the same
    folder : ``config``, ``launch`` or ``examples/recipes``

    Raises
    ------
    DescriptionError : if there is no such file; the message gives the nearest name and the names of the existing files
    """
    names = (name,) if Path(name).suffix else (name + suffix, name)
    for share in _share_folders():
        for candidate in names:
            path = share / folder / candidate
            if path.is_file():
                return path
    known = shipped_names(folder, suffix)
    fix = close_match(name.removesuffix(suffix), known)
    fix = fix or f"shipped: {', '.join(known) or 'none found; reinstall the package'}"
    raise DescriptionError("shipped", name, f"must be a file in {folder}/", fix)


def controller_path(name: str | os.PathLike, argument: str = "controller") -> Path:
    """Return the path of a controller file. ``name`` is a path, or the name of a shipped controller file.

    Raise DescriptionError, which names ``argument``, if the file does not exist.
    """
    path = Path(name)
    if path.suffix or path.exists() or "/" in str(name):
        return path
    try:
        return shipped(str(name))
    except DescriptionError as error:
        raise DescriptionError(argument, str(name), "is neither a file nor a shipped controller", error.fix) from None
