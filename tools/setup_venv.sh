#!/bin/sh
# Makes or repairs the virtual environment of the Makefile: tools/setup_venv.sh <venv> <extras>
# Needs a Python from 3.10 to 3.13 with the venv module, and a package index. PYTHON=... chooses the interpreter.
set -eu
venv=$1
extras=$2
here=$(cd "$(dirname "$venv")" && pwd)/$(basename "$venv")
# the Makefile puts the environment first in PATH: do not build it out of itself
case "$PATH" in "$here/bin:"*) PATH=${PATH#"$here/bin:"} ;; esac
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH PYTHONPATH PYTHONHOME || true

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf '\n\033[1;31mset-up failed:\033[0m %s\n' "$*" >&2; exit 2; }

usable() { "$1" -c 'import sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' >/dev/null 2>&1; }
has_pip() { "$1" -c 'import ensurepip' >/dev/null 2>&1; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

choose_python() {
    seen=""
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3}; do
        usable "$candidate" || continue
        if has_pip "$candidate"; then printf '%s' "$candidate"; return; fi
        seen=$candidate
    done
    if [ -n "$seen" ]; then
        fail "$seen cannot create virtual environments with pip (module ensurepip is missing).
  On Debian and Ubuntu: sudo apt install python$(version "$seen")-venv
  Or name another interpreter: make PYTHON=/path/to/python3 ..."
    fi
    fail "no Python from 3.10 to 3.13 found (tried ${PYTHON:-python3, python3.13 to python3.10}).
  Install one of them, or name one: make PYTHON=/path/to/python3 ..."
}

# make the environment again if its set-up was interrupted, it was moved here or its interpreter is gone
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null || ! grep -qF "$here" "$venv/bin/activate"; then
    python=$(choose_python)
    say "creating $venv with $python ($(version "$python"))"
    "$python" -m venv --clear "$venv" || fail "$python -m venv $venv failed (see above)"
fi

# uv takes two thirds of pip's time; if it fails, pip installs
with_uv() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv -c constraints.txt || return 1
    tools/uv.sh "$venv" pip install --python "$venv/bin/python" -e ".[$extras]" --constraint constraints.txt
}
say "installing snn_control[$extras] (the first time: half a minute or so, 1 GB on disk)"
with_uv || "$venv/bin/python" -m pip install --disable-pip-version-check --no-compile -e ".[$extras]" -c constraints.txt ||
    fail "neither uv nor pip could install the packages (see above)"

# ROS tools look for files that an editable install does not make: the package's entry in the ament index, its
# share folder, and the executables in lib/<package> (pip puts them in bin). Links always point to the current files.
index="$venv/share/ament_index/resource_index/packages"
mkdir -p "$venv/lib/snn_control" "$venv/share/snn_control" "$index"
for name in controller_node world_node encoder_node snn_control; do
    ln -sfn "../../bin/$name" "$venv/lib/snn_control/$name"
done
for name in package.xml config launch; do
    ln -sfn "$PWD/$name" "$venv/share/snn_control/$name"
done
ln -sfn "$PWD/resource/snn_control" "$index/snn_control"
case "$extras" in
    all*) say "ready: $venv" ;;
    *) say "ready: $venv, with $extras alone; make setup adds ROS 2 and the rest" ;;
esac
