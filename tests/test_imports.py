"""Which module may import which, read from the sources; and what `import snn_control` must not import."""

import ast
import functools
import graphlib
import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(p for package in ("snn_control", "sim_worlds") for p in (ROOT / package).rglob("*.py"))

#: room -> rooms of ours that it may import, as the table in docs/explanation/architecture.md says
ALLOWED = {
    room: set(re.findall(r"`(\w+)`", others))
    for room, others in re.findall(
        r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", (ROOT / "docs/explanation/architecture.md").read_text(), re.MULTILINE
    )
}
#: library -> the only rooms that may import it
OWNERS = {
    "rclpy": {"ros"},
    "rosidl_runtime_py": {"ros"},
    "pybullet": {"sim_worlds"},
    "torch": {"training"},
    "onnx": {"training"},
    "cma": {"training"},
    "stable_baselines3": set(),
    "ray": {"training"},
    "tensorboard": {"training"},
    "matplotlib": {"report", "training"},
    "nir": {"nir"},
    "h5py": {"nir", "events"},
    "hdf5plugin": {"events"},
    "mcap": {"events"},
    "aedat": {"events"},
    "av": {"events", "report"},
    "unicorn": {"c_export"},
    "ziglang": {"c_export"},
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name):
    """The package that a module belongs to; "" for snn_control itself."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == "snn_control" else first


@functools.cache
def tree(path):
    return ast.parse(path.read_text())


@functools.cache
def imports(path):
    """(module, line, at module level) for everything a file imports."""
    return list(_imports(path))


def statements(node, top=True):
    """Statements within a node, each with whether it is run at module level, and not only for types."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            inner = top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            inner = inner and not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test))
            yield child, inner
            yield from statements(child, inner)


def _imports(path):
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node, top in statements(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, top
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (
                (f"{base}.{alias.name}" if base == "snn_control" else base, node.lineno, top) for alias in node.names
            )


def identify(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_a_file_imports_only_what_its_room_may(path):
    room = room_of(module_name(path))
    for name, line, _ in imports(path):
        first = name.partition(".")[0]
        if first in ("snn_control", "sim_worlds"):
            other = room_of(name)
            if room and room != "cli" and other not in ("", "__version__", "Controller", "Model"):
                allowed = ALLOWED[room] | {room}
                assert other in allowed, (
                    f"line {line}: {room} may not import {other}; only {', '.join(sorted(allowed))}"
                )
        if first in OWNERS:
            assert room in OWNERS[first], f"line {line}: only {', '.join(sorted(OWNERS[first]))} may import {first}"


def test_of_the_engine_the_controller_file_knows_the_registry_alone():
    for path in (ROOT / "snn_control" / "controller_file").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "engine":
                assert (node.module, [alias.name for alias in node.names]) == ("engine", ["registry"]), path.name


def test_no_import_leads_back():
    """Those within functions and for types included; a package's ``__init__`` and its modules are files like others."""
    files = {module_name(path): path for path in FILES}
    graph = {}
    for name, path in files.items():
        found = set()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node, _ in statements(tree(path)):
            if isinstance(node, ast.ImportFrom):
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in files else base for a in node.names}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        graph[name] = (found & set(files)) - {name}
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_every_room_has_its_rule():
    rooms = {room_of(module_name(path)) for path in FILES} - {""}
    assert rooms == set(ALLOWED)


LATE = {
    "torch",
    "onnx",
    "cma",
    "stable_baselines3",
    "ray",
    "tensorboard",
    "matplotlib",
    "nir",
    "h5py",
    "hdf5plugin",
    "mcap",
    "aedat",
    "av",
    "zstandard",
    "lz4",
    "unicorn",
    "ziglang",
}


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_what_only_some_have_is_imported_late(path):
    """The libraries of `training`, `report`, `nir` and `events` are optional; modules are importable without them."""
    for name, line, top in imports(path):
        if name.partition(".")[0] in LATE:
            assert not top, f"line {line}: import {name} where it is used"


HEAVY = ("rclpy", "pybullet", "gymnasium", "torch", "onnx", "matplotlib", "nir", "h5py", "mcap", "aedat", "av")


@pytest.mark.parametrize(
    "name", ["snn_control", "snn_control.controller", "snn_control.realtime.loop", "snn_control.cli"]
)
def test_importing_it_pulls_in_nothing_heavy(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not there")
    code = f"import sys, {name}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_importing_the_package_alone_is_light():
    code = "import sys, snn_control; print([m for m in ('numpy', 'numba', 'yaml') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


PUBLIC_ROOMS = {
    "errors", "files", "network", "coding", "engine", "", "nef", "nir", "controller_file", "spaces",
    "controller", "batch", "resources",
}  # fmt: skip
PUBLIC = [p for p in FILES if room_of(module_name(p)) in PUBLIC_ROOMS]


@pytest.mark.parametrize("path", PUBLIC, ids=identify)
def test_every_name_in_all_exists(path):
    module = importlib.import_module(module_name(path))
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(module, name), f"{module.__name__}.__all__ names {name}"
