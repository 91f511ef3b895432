"""Message packages that no wheel has, built from definitions of our own, once, into the user's cache.

``event_camera_msgs``, its older name ``event_array_msgs``, ``dvs_msgs``, ``prophesee_event_msgs`` and ``bond``. The
rosidl wheels (extra ``interfaces``) generate and a C and C++ compiler builds them: half a minute, the first time.
Nothing is written into the environment: the wheels' CMake files name folders of the machine that made them, so a copy
of these files, corrected, is kept beside links to the rest.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from snn_control.engine.code_cache import usable_folder

__all__ = ["PACKAGES", "Unavailable", "environment", "prefix", "use"]

HERE = Path(__file__).parent
PACKAGES = ("event_camera_msgs", "event_array_msgs", "dvs_msgs", "prophesee_event_msgs", "bond")
NEEDED = ("ament_cmake", "rosidl_default_generators", "std_msgs")
#: type supports of rmw_fastrtps_cpp, which the tests use; with introspection the build takes a quarter longer
MIDDLEWARE = {f"STATIC_ROSIDL_TYPESUPPORT_{k.upper()}": f"rosidl_typesupport_fastrtps_{k}" for k in ("c", "cpp")}
#: folders of the machine that built the wheels, as they stand in their CMake files, and what they are here
BUILT_IN = "/opt/python/cp{0}{1}-cp{0}{1}"


class Unavailable(Exception):
    """Why the packages cannot be built here."""


def _missing() -> str:
    """The requirements that are missing, "" if none is."""
    share = Path(sys.prefix, "share")
    wheels = [name for name in NEEDED if not (share / name / "cmake").is_dir()]
    if wheels or importlib.util.find_spec("catkin_pkg") is None:
        return "the generators of messages are not installed: pip install 'snn_control[interfaces]'"
    for tool in ("cmake", "ninja", "cc", "c++"):
        if not shutil.which(tool, path=_path()):
            return f"{tool} is not there: a C and C++ compiler build the messages"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "Python.h is not there: install the development files of this Python"
    return ""


def _path() -> str:
    return f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(p for p in HERE.rglob("*") if p.is_file() and p.suffix in (".msg", ".txt", ".xml", ".py")):
        digest.update(str(file.relative_to(HERE)).encode() + file.read_bytes())
    wheels = sorted(f"{d.name} {d.version}" for d in distributions() if d.name.startswith(("ros-", "numpy")))
    digest.update("\n".join(wheels).encode())
    return digest.hexdigest()[:16]


def _put_right(wheels: Path) -> None:
    """Links to this environment's ``include``, ``lib`` and ``share``, with its CMake files copied and put right."""
    import numpy

    python = BUILT_IN.format(*sys.version_info)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    replacements = {
        f"{python}/lib/{version}/site-packages/numpy/_core/include": numpy.get_include(),
        f"{python}/include/{version}": sysconfig.get_path("include"),
    }
    (wheels / "share").mkdir(parents=True)
    for name in ("include", "lib"):
        (wheels / name).symlink_to(Path(sys.prefix, name))
    for package in Path(sys.prefix, "share").iterdir():
        if not package.is_dir():
            continue
        (wheels / "share" / package.name).mkdir()
        for part in package.iterdir():
            target = wheels / "share" / package.name / part.name
            if part.name != "cmake":
                target.symlink_to(part)
                continue
            shutil.copytree(part, target)
            for file in target.rglob("*.cmake"):
                text = file.read_text()
                for there, here in replacements.items():
                    text = text.replace(there, here)
                file.write_text(text)


def _build(package: str, folder: Path, wheels: Path, to: Path) -> subprocess.Popen:
    """Start to build and install one package."""
    source, build = folder / package, folder / f"{package}.build"
    shutil.copytree(HERE / package, source / "msg", ignore=shutil.ignore_patterns("*.py"))
    shutil.copy(HERE / "CMakeLists.txt", source)
    (source / "package.xml").write_text((HERE / "package.xml").read_text().replace("PACKAGE", package))
    options = {
        "CMAKE_INSTALL_PREFIX": to, "CMAKE_PREFIX_PATH": wheels, "Python3_EXECUTABLE": sys.executable,
        "Python3_FIND_VIRTUALENV": "ONLY", "BUILD_TESTING": "OFF", "CMAKE_BUILD_TYPE": "None",  # not optimised
    }  # fmt: skip
    given = " ".join(f"'-D{key}={value}'" for key, value in options.items())
    line = f"cmake -G Ninja -S '{source}' -B '{build}' {given} && cmake --build '{build}' --target install"
    paths = {"PATH": _path(), "AMENT_PREFIX_PATH": str(wheels), "CMAKE_PREFIX_PATH": str(wheels)}
    environment = {**os.environ, **paths, **MIDDLEWARE, "PACKAGE": package}
    with (folder / f"{package}.log").open("w") as log:
        return subprocess.Popen(line, shell=True, env=environment, stdout=log, stderr=subprocess.STDOUT)


def prefix() -> Path:
    """The folder that the packages are installed in; built at the first call. Raises Unavailable."""
    if (folder := usable_folder()) is None:
        raise Unavailable("there is no folder of this user to keep them in")
    cache = folder / "interfaces"
    done = cache / _digest()
    if done.is_dir():
        return done
    if why := _missing():
        raise Unavailable(why)
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.is_dir():
            return done
        for left in cache.glob("build-*"):  # of a process that was killed
            shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
        try:
            _put_right(folder / "wheels")
            jobs = {name: _build(name, folder, folder / "wheels", folder / "installed") for name in PACKAGES}
            for name, job in jobs.items():
                if job.wait() != 0:
                    raise RuntimeError(f"{name} was not built:\n{(folder / f'{name}.log').read_text()[-4000:]}")
            (folder / "installed").rename(done)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return done


def _site(installed: Path) -> Path:
    return next((installed / "lib").glob("python3*/site-packages"))


def environment(installed: Path) -> dict[str, str]:
    """What a child process needs to find the packages, beside what it has."""
    found = {"PYTHONPATH": _site(installed), "LD_LIBRARY_PATH": installed / "lib", "AMENT_PREFIX_PATH": installed}
    return {
        name: os.pathsep.join([str(folder), *filter(None, [os.environ.get(name)])]) for name, folder in found.items()
    }


def use(installed: Path) -> None:
    """Make the packages importable in this process: rcl looks for their libraries by name, so they are loaded now."""
    site = str(_site(installed))
    if site not in sys.path:
        sys.path.append(site)
    waiting = sorted((installed / "lib").glob("*.so"))
    while waiting:  # they name each other
        left = []
        for library in waiting:
            try:
                ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
            except OSError:
                left.append(library)
        if len(left) == len(waiting):
            ctypes.CDLL(str(left[0]), ctypes.RTLD_GLOBAL)
        waiting = left
