# make demo | test | bench: each sets up .venv by itself the first time; afterwards it starts at once.
# make PYTHON=/path/to/python3 ... chooses the interpreter, 3.10 to 3.13 (default: python3, else the newest of these).

VENV ?= .venv
BIN := $(VENV)/bin

# The recipes run in this environment alone: no sourced distribution, no other environment.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE LD_LIBRARY_PATH PYTHONPATH PYTHONHOME
export VIRTUAL_ENV := $(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))
export AMENT_PREFIX_PATH := $(VIRTUAL_ENV)
export PATH := $(VIRTUAL_ENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test test-all docs dist bench fuzz faults soak arm lint style format setup clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.stamp-run ## simulated robot, event camera and spiking controller as ROS 2 nodes; ends with a report
	$(BIN)/snn_control demo

test: style ## lint, types and all tests, with an empty home folder (what .ci/run runs)
	@$(BIN)/python -m tests $(PYTEST_ARGS)

test-all: $(VENV)/.stamp-all ## all tests: also those marked deep, Ray, TensorBoard, box2d, other decoders, a browser and 64-bit ARM
	@for tool in qemu-aarch64 aarch64-linux-gnu-gcc chromium npm; do command -v $$tool >/dev/null || \
		{ echo "$$tool is missing: sudo apt install qemu-user gcc-aarch64-linux-gnu chromium npm" >&2; exit 2; }; done
	@$(MAKE) --no-print-directory test PYTEST_ARGS="--deep $(PYTEST_ARGS)"

docs: $(VENV)/.stamp-docs ## the site of the documentation: build/docs/index.html
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto docs build/docs
	@echo "build/docs/index.html"

dist: $(VENV)/.stamp-test ## the wheel and the source package, in dist/, tried in a new environment
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m build --quiet --outdir dist .
	tools/try_wheel.sh dist/*.whl

bench: $(VENV)/.stamp-test ## timing of the engine, the loop and the way through ROS on this machine
	$(BIN)/python -m benchmarks

fuzz: $(VENV)/.stamp-test ## wrong words through every codec, damaged recordings, changed Programs, states and policies, each index checked
	@folder=$$(mktemp -d) && export NUMBA_BOUNDSCHECK=1 SNN_CONTROL_CACHE=$$folder && \
		$(BIN)/python -m tests.events.fuzz && $(BIN)/python -m tests.events.fuzz_files && \
		$(BIN)/python -m tests.engine.fuzz && \
		$(BIN)/python -m tests.training.fuzz_policies; \
		code=$$?; rm -rf "$$folder"; exit $$code

faults: $(VENV)/.stamp-test ## kill, stop, flood and mislead a controller node, each 20 times: a table (FAULTS_ARGS="--only NaN --times 5")
	@$(BIN)/python -m tests.ros.faults $(FAULTS_ARGS)

soak: $(VENV)/.stamp-test ## a controller node at 1 kHz with recording on, 15 minutes (SOAK_ARGS="--seconds 3600")
	@$(BIN)/python -m benchmarks.soak $(SOAK_ARGS)

arm: $(VENV)/.stamp-test ## controllers on 64-bit ARM under emulation: the same bits (needs qemu-user, gcc-aarch64-linux-gnu)
	@$(BIN)/python -m tests.engine.aarch64

lint: style ## ruff, the language of docs and docstrings, mypy
	$(BIN)/python -m mypy

style: $(VENV)/.stamp-test # the quick part of lint; mypy is one of the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.prose

format: $(VENV)/.stamp-test ## let ruff put the sources in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.stamp-test ## only make the virtual environment, with everything

clean: ## remove the environment and whatever tools leave behind (not runs/)
	rm -rf $(VENV) build dist install log *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The tests' environment is the demo's and more, so it stands for both.
SOURCES := setup.py setup.cfg pyproject.toml constraints.txt tools/setup_venv.sh

$(VENV)/.stamp-run: $(SOURCES)
	@tools/setup_venv.sh $(VENV) all
	@touch $@

$(VENV)/.stamp-docs: $(SOURCES)
	@tools/setup_venv.sh $(VENV) docs,sim,training
	@touch $@

$(VENV)/.stamp-test: $(SOURCES)
	@tools/setup_venv.sh $(VENV) all,test,docs,interfaces
	@touch $(VENV)/.stamp-run $(VENV)/.stamp-docs $@

$(VENV)/.stamp-all: $(SOURCES)
	@tools/setup_venv.sh $(VENV) all,test,docs,interfaces,test-all
	@touch $(VENV)/.stamp-run $(VENV)/.stamp-docs $(VENV)/.stamp-test $@
