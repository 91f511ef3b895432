"""``export --c`` and ``replay --c``: files of a controller in C, reports, and refusals before a file is written."""

import json
import re

import pytest

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
    assert (code, "holds cartpole.h already; choose another folder, or give --force" in err) == (2, True)
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
