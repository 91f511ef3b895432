"""``export --c`` and ``replay --c``: files of a controller in C, reports, and refusals before a file is written."""

import json
import re
import subprocess

import pytest

from snn_control.c_export.compilers import compile_c, host_compiler
from snn_control.c_export.layout import read_layout
from snn_control.errors import InputError
from snn_control.resources import shipped
from tests.cli.common import call

FILES = ["README.md", "cartpole.c", "cartpole.h", "cartpole.json", "cartpole_selftest.c", "snn_kernels.h"]


def test_a_controller_becomes_a_folder_of_c(tmp_path, capsys):
    folder = tmp_path / "firmware" / "cartpole"
    code, out, err = call(capsys, "export", "cartpole", "--c", folder)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert re.search(r"constants \d+ bytes, cartpole_state 1,328 bytes", out)
    readme = (folder / "README.md").read_text()
    assert "cartpole_set_observation(&s, observation);   /* float[4]; only when it arrives */" in readme
    layout = json.loads((folder / "cartpole.json").read_text())
    assert layout["bytes"] == 1328
    assert layout["arrays"]["observation.v"]["parts"][0][4] == 32


def test_a_folder_is_not_replaced_and_holds_one_controller(tmp_path, capsys):
    assert call(capsys, "export", "cartpole", "--c", tmp_path)[0] == 0
    code, _, err = call(capsys, "export", "cartpole", "--c", tmp_path)
    held = "README.md, cartpole.c, cartpole.h, cartpole.json, cartpole_selftest.c, snn_kernels.h"
    assert (code, f"holds {held} already; choose another folder, or give --force" in err) == (2, True)
    assert call(capsys, "export", "cartpole", "--c", tmp_path, "--force")[0] == 0
    code, _, err = call(capsys, "export", "swing_up", "--c", tmp_path)
    assert (code, "holds the C of 'cartpole'; choose another folder" in err) == (2, True)


def test_names_and_shells(tmp_path, capsys):
    code, out, _ = call(
        capsys, "export", "quadrotor_attitude", "--c", tmp_path, "--name", "My Quad", "--shell", "plain",
        "--shell", "crazyflie",
    )  # fmt: skip
    assert code == 0
    assert "plain/main.c, crazyflie/src/controller_my_quad.c" in out
    assert "my_quad_state s;" in (tmp_path / "plain/main.c").read_text()
    assert (tmp_path / "crazyflie/config").read_text() == "CONFIG_CONTROLLER_OOT=y\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--c and --out: one of them must be given"),
        (("--c", "c", "--out", "a.nir"), "--c and --out: one of them must be given"),
        (("--out", "a.c"), "must end with .nir; --c FOLDER writes C"),
        (("--c", "c", "--mhz", "168"), "--mhz = 168.0: needs --target"),
        (("--c", "c", "--name", "+"), "--name = '+': must have a letter or a digit"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, "export", "cartpole", *arguments)
    assert code == 2
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_refused_before_a_file_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("snn_control.c_export.kernel_text.REFUSED", {"guard": "it is refused for this test"})
    code, _, err = call(capsys, "export", "cartpole", "--c", tmp_path / "c")
    assert code == 2
    assert "cannot be exported to C: kernel 'guard': it is refused for this test" in err
    assert not (tmp_path / "c").exists()


def test_tunable_numbers_are_named(tmp_path, capsys):
    text = (
        shipped("cartpole")
        .read_text()
        .replace("      size: 2\n", "      size: 2\n      bias: {value: 0.1, tunable: [0, 1]}\n")
    )
    (tmp_path / "my.yaml").write_text(text)
    code, out, err = call(capsys, "export", tmp_path / "my.yaml", "--c", tmp_path / "c")
    assert (code, err) == (0, "")
    assert "fixed in C, at the values of the file: network.populations.action.bias" in out


def test_a_target_is_measured_and_a_small_one_refused(tmp_path, capsys):
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    options = ("export", "cartpole", "--c", tmp_path / "c", "--target", "cortex-m4f", "--mhz", "168")
    code, _, err = call(capsys, *options, "--ram", "1k")
    assert (code, "--ram = 1024: cartpole needs 1,328 bytes; the largest arrays: " in err) == (2, True)
    assert not (tmp_path / "c").exists()
    code, out, _ = call(capsys, *options, "--flash", "1M", "--ram", "128k")
    assert code == 0
    assert "self-test               0 on the emulated processor: the same bits as the engine" in out
    assert "us at 168 MHz, estimated; period 20,000 us" in out


def test_a_damaged_layout_is_refused(tmp_path, capsys):
    with pytest.raises(InputError, match="has no exported controller; snn_control export"):
        read_layout(tmp_path)
    call(capsys, "export", "cartpole", "--c", tmp_path)
    file = tmp_path / "cartpole.json"
    for old, new in (('"bytes": 1328', '"bytes": 9'), ('"state"', '"none"'), ("<f4", "|O"), ("{", "[")):
        whole = file.read_text()
        file.write_text(whole.replace(old, new))
        with pytest.raises(InputError, match="is damaged"):
            read_layout(tmp_path)
        file.write_text(whole)


CONTROLLER = """\
version: 1
period: 0.01
inputs:
  {input}: {{kind: value, size: 2, range: [-1, 1], stale: 0.1, encoder: {{type: direct, gain: 3.0}}}}
  other: {{kind: value, size: 2, range: [-1, 1], stale: 0.1, encoder: {{type: direct, gain: 3.0}}}}
network:
  populations:
    {population}: {{size: 4, neuron: {{type: lif}}}}
  projections:
  - {{pre: {input}, post: {population}, weights: [[3.0, -2.0, 1.0, 0.5], [3.0, -2.0, 1.0, 0.5]]}}
  - {{pre: other, post: {population}, weights: [[3.0, -2.0, 1.0, 0.5], [3.0, -2.0, 1.0, 0.5]]}}
outputs:
  {output}:
    unit: {unit}
    limits: [-1, 1]
    safe: 0
    decoder: {{type: linear, from: {population}, tau: 0.05, weights: [[0.1], [0.2], [-0.1], [0.3]]}}
"""


def controller(path, input="x", population="hidden", output="u", unit="m"):
    path.write_text(CONTROLLER.format(input=input, population=population, output=output, unit=json.dumps(unit)))
    return path


@pytest.mark.parametrize(
    "names",
    [
        {"population": "command", "output": "v"},
        {"population": "set", "input": "params"},
        {"population": "command", "output": "params"},
        {"input": "status", "output": "status"},
        {"input": "command_u", "output": "u"},
        {"input": "OTHER"},
        {"unit": "*/ int injected = 1; /*"},
        {"unit": "m\n#error x"},
        {"unit": "*/*/ *//"},
    ],
)
def test_any_names_and_units_give_c_that_compiles_without_a_warning(names, tmp_path, capsys):
    folder = tmp_path / "c"
    assert call(capsys, "export", controller(tmp_path / "my.yaml", **names), "--c", folder)[0] == 0
    use = '#include "my.h"\nextern int injected;\nint injected = 2;\nint main(void) { return my_selftest(); }\n'
    (folder / "use.c").write_text(use)
    sources = sorted(path.name for path in folder.glob("*.c"))
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover"]
    compile_c(host_compiler(), [*flags, *(folder / name for name in sources), "-o", folder / "use"])
    assert subprocess.run([folder / "use"]).returncode == 0


@pytest.mark.parametrize("name", ["snn", "snn_kernels"])
def test_names_of_the_kernels_are_refused(name, tmp_path, capsys):
    code, _, err = call(capsys, "export", "cartpole", "--c", tmp_path / "c", "--name", name)
    assert (code, f"--name = '{name}': is a name of the kernels" in err) == (2, True)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("file", ["README.md", "cartpole.c", "cartpole.json", "plain/main.c"])
def test_no_file_of_the_user_is_replaced(file, tmp_path, capsys):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("mine")
    code, _, err = call(capsys, "export", "cartpole", "--c", tmp_path, "--shell", "plain")
    assert (code, f"holds {file} already; choose another folder, or give --force" in err) == (2, True)
    assert (tmp_path / file).read_text() == "mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / file]


def test_the_greatest_age_overflows_nothing(tmp_path, capsys):
    folder = tmp_path / "c"
    assert call(capsys, "export", controller(tmp_path / "my.yaml"), "--c", folder)[0] == 0
    (folder / "use.c").write_text("""\
#include "my.h"
int main(void) {
    static my_state s;
    const float v[2] = {0.1f, 0.2f};
    my_init(&s);
    my_set_x(&s, v);
    my_age_x(&s, INT64_MAX);
    my_step(&s);
    my_step(&s);
    return my_status(&s) & MY_INPUT_INVALID ? 0 : 1;
}
""")
    flags = ["-std=c99", "-fsanitize=undefined", "-fno-sanitize-recover"]
    compile_c(host_compiler(), [*flags, folder / "my.c", folder / "use.c", "-o", folder / "use"])
    assert subprocess.run([folder / "use"]).returncode == 0


def test_long_delays_make_a_layout_that_can_be_read(tmp_path, capsys):
    text = controller(tmp_path / "my.yaml").read_text()
    text = text.replace("weights: [[3.0, -2.0, 1.0, 0.5], [3.0, -2.0, 1.0, 0.5]]}\n", "WEIGHTS}\n", 1)
    weights = "weights: [[3.0, -2.0, 1.0, 0.5], [3.0, -2.0, 1.0, 0.5]]"
    recurrent = "\n  - {pre: hidden, post: hidden, weights: 0.1, delay: 600.0}"
    (tmp_path / "my.yaml").write_text(text.replace("WEIGHTS}\n", f"{weights}}}{recurrent}\n"))
    assert call(capsys, "export", tmp_path / "my.yaml", "--c", tmp_path / "c")[0] == 0
    assert (tmp_path / "c" / "my.json").stat().st_size > 1 << 22
    read_layout(tmp_path / "c")
