#!/usr/bin/env bash
# tools/try_wheel.sh WHEEL: installs the wheel into a new environment, and runs the quick tests outside of the checkout.
set -eu
wheel=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"${PYTHON:-$root/.venv/bin/python}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --constraint "$root/constraints.txt" "$wheel[all]" pytest pytest-timeout pytest-xdist \
    hypothesis jsonschema
cp -r "$root/tests" "$root/pyproject.toml" "$folder"
cd "$folder"
unset PYTHONPATH
export AMENT_PREFIX_PATH="$folder/venv"
"$folder/venv/bin/snn_control" run cartpole --env CartPole-v1 --episodes 2
"$folder/venv/bin/python" -m pytest -q -n 2 -m "not timed" tests/network tests/plasticity tests/test_batch.py \
    tests/test_controller.py tests/test_spaces.py tests/test_one_tick.py --ignore tests/plasticity/test_docs.py
