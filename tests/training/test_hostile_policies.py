"""Hostile files of policies are refused: nothing in them is run, and they take little time and memory."""

from __future__ import annotations

import io
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.training.teachers.policy_zip import MOST_BYTES
from snn_control.training.teachers.trained_policy import load_policy
from tests.training.memory import MOST_MEMORY, traced
from tests.training.policy_files import (
    ACTOR,
    BOUNDED,
    FIRST,
    MARK,
    Evil,
    data,
    legacy,
    pickled,
    saved,
    statistics,
    tensor,
    text,
    written,
)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(MARK).exists()


def refused(says, *paths):
    """Check that the last of the files is refused, with little memory."""

    def load():
        with pytest.raises(DescriptionError, match=f"{paths[-1]}': is not a .*: .*{says}"):
            load_policy(*paths)

    used = traced(load)
    assert used <= MOST_MEMORY + max(os.path.getsize(path) for path in paths)


def called(operations):
    """A pickle as `saved` makes it, of which the first value is something else."""
    return pickled(ACTOR, {FIRST: operations})


LAUGHS = b"(" + text("x") + b"t" + b"".join(b"q%c(h%ch%ct" % (k, k, k) for k in range(200))  # 2**200 leaves
PICKLES = {
    "os.system by REDUCE": (pickle.dumps(Evil(), 2), "names posix.system"),
    "os.system in protocol 4": (pickle.dumps(Evil(), 4), "names posix.system"),
    "os.system in protocol 5": (pickle.dumps(Evil(), 5), "names posix.system"),
    "os.system by GLOBAL": (called(b"cos\nsystem\n(" + text(f"touch {MARK}") + b"tR"), "names os.system"),
    "a function of cloudpickle": (cloudpickle.dumps(lambda: os.system(f"touch {MARK}")), "names cloudpickle"),
    "eval": (called(b"c__builtin__\neval\n" + text("1") + b"\x85R"), "names __builtin__.eval"),
    "getattr": (called(b"cbuiltins\ngetattr\n" + text("1") + text("real") + b"\x86R"), "names builtins.getattr"),
    "a name made of values": (called(text("os") + text("system") + b"\x93"), "names os.system"),
    "a name that is not text": (called(b"K\x01K\x02\x93"), "a name that is not text"),
    "a name with a dot": (
        called(text("collections") + text("OrderedDict.fromkeys") + b"\x93"),
        "names collections.OrderedDict",
    ),
    "INST": (called(b"(" + text("true") + b"ios\nsystem\n"), "the operation INST"),
    "OBJ": (called(b"(ccollections\nOrderedDict\no"), "the operation OBJ"),
    "EXT1": (called(b"\x82\x01"), "the operation EXT1"),
    "PERSID": (called(b"Pos.system\n"), "the operation PERSID"),
    "a buffer from elsewhere": (called(b"\x97"), "the operation NEXT_BUFFER"),
    "a call of a number": (called(b"K\x01)R"), "calls something that is not a name"),
    "a call of what a call made": (called(b"ccollections\nOrderedDict\n)R)R"), "calls something that is not a name"),
    "BUILD of a dictionary": (called(b"}}b"), "gives a state to something that is not an object"),
    "a list appended to a tuple": (called(b")K\x01a"), "appends to something that is not a list"),
    "keys that are not text": (called(b"}K\x01K\x02s"), "keys are not text"),
    "values that are not there": (b"\x80\x02\x87.", "takes more values than there are"),
    "marks that are not there": (b"\x80\x02t.", ""),
    "a memo that is not there": (b"\x80\x02h\x07.", ""),
    "no end": (called(b"N")[:-1], ""),
    "10^6 nested tuples": (b"\x80\x02)" + b"\x85" * 10**6 + b".", "more than 65,536 operations"),
    "60,000 nested tuples": (called(b")" + b"\x85" * 60_000), ""),
    "10^6 dictionaries": (b"\x80\x02" + b"}" * 10**6 + b".", "more than 65,536 operations"),
    "a list in itself": (called(b"]q\x00h\x00a"), ""),
    "parts that repeat": (called(LAUGHS), ""),
    "parts that repeat as a key": (called(b"}" + LAUGHS + b"K\x01s"), "keys are not text"),
    "parts that repeat as a name": (called(LAUGHS + b"\x89\x93"), "a name that is not text"),
    "an operation cut off": (b"\x80\x02\x8d" + struct.pack("<Q", 1 << 62), ""),
    "a number without end": (b"\x80\x02\x8b" + struct.pack("<i", 1 << 30), ""),
    "BUILD with __setstate__": (
        called(b"ccollections\nOrderedDict\n)R}" + text("__setstate__") + b"cos\nsystem\nsb"),
        "names os.system",
    ),
}


@pytest.mark.parametrize("name", PICKLES)
@pytest.mark.parametrize("form", ["zip", "legacy", "statistics"])
def test_pickles(name, form):
    raw, says = PICKLES[name]
    if form == "statistics":
        written("a.zip", data(), saved(ACTOR))
        Path("v.pkl").write_bytes(raw)
        refused("", "a.zip", "v.pkl")
        return
    refused(says, written("a.zip", data(), raw if form == "legacy" else saved(ACTOR, stored={"data.pkl": raw})))


MANY = {f"mlp_extractor.policy_net.{2 * k}.{one}": np.zeros(1) for k in range(1000) for one in ("weight", "bias")}
TENSORS = {
    "a name with a path": ({FIRST: tensor("../../data", (4, 3))}, r"the name '\.\./\.\./data'"),
    "a name of other digits": ({FIRST: tensor("²", (4, 3))}, "the name '²'"),
    "a name that is a tuple": ({FIRST: tensor("0", (4, 3)).replace(text("0"), b")")}, "a storage has no name"),
    "strides of zero": ({FIRST: tensor("0", (1 << 15, 1 << 15), stride=(0, 0), count=12)}, "not contiguous"),
    "negative strides": ({FIRST: tensor("0", (4, 3), stride=(-3, 1))}, "not whole numbers >= 0"),
    "transposed": ({FIRST: tensor("0", (4, 3), stride=(1, 4))}, "not contiguous"),
    "a negative offset": ({FIRST: tensor("0", (4, 3), count=12, offset=-1)}, "not whole numbers >= 0"),
    "an offset beyond the end": ({FIRST: tensor("0", (4, 3), count=12, offset=5)}, "longer than its storage"),
    "a storage that is short": ({FIRST: tensor("0", (4, 3), count=11)}, "longer than its storage"),
    "a negative storage": ({FIRST: tensor("0", (1 << 30, 3), count=-1)}, "a storage of an unknown kind"),
    "a huge shape": ({FIRST: tensor("0", (1 << 30, 1 << 30), stride=(1 << 30, 1), count=12)}, "too large"),
    "a large storage": ({FIRST: tensor("0", (1 << 26,))}, "limit|bytes, not"),
    "many axes": ({FIRST: tensor("0", (1,) * 1000, count=12)}, "a tensor has no shape"),
    "other numbers": ({FIRST: tensor("0", (4, 3), kind="torch\nIntStorage")}, "has weights int32"),
    "complex numbers": ({FIRST: tensor("0", (4, 3), kind="torch\nComplexFloatStorage")}, "names torch.ComplexFloat"),
    "a parameter of nothing": ({FIRST: b"ctorch._utils\n_rebuild_parameter\n)R"}, ""),
    "a tensor of nothing": ({FIRST: b"ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR"}, "a storage of an unknown kind"),
    "a tensor of a list": ({FIRST: b"ctorch._utils\n_rebuild_tensor_v2\n]R"}, ""),
}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("save", [saved, legacy])
def test_tensors(name, save):
    changed, says = TENSORS[name]
    refused(says, written("a.zip", data(), save(ACTOR, changed)))


def zipped(*members, comment=b""):
    """A ZIP with these (name, content), names may repeat."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there already
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
        archive.comment = comment
    return file.getvalue()


INNER = ("archive/data.pkl", pickled(ACTOR))
BYTES = [(f"archive/data/{k}", value.tobytes()) for k, value in enumerate(ACTOR.values())]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (saved(ACTOR, stored={"data/0": bytes(40)}), "has 40 bytes, not 12 float32"),
        (saved(ACTOR, stored={"data/0": bytes(1 << 16)}), "has 65,536 bytes; the limit is 48"),
        (saved(ACTOR, stored={"byteorder": b"big"}), "not little-endian"),
        (saved(ACTOR, stored={"byteorder": b"little" * 4}), "the limit is 16"),
        (saved(ACTOR, compression=zipfile.ZIP_DEFLATED), "is compressed by method 8"),
        (saved(ACTOR | {FIRST: np.full((4, 3), np.inf)}), "not finite"),
        (saved(MANY), "has weights|more than 32 layers"),
        (zipped(INNER, *BYTES, BYTES[0]), "two members of the same name"),
        (zipped(INNER, ("other/data.pkl", b"N."), *BYTES), ""),
        (zipped(*BYTES), ""),
        (zipped(INNER, *BYTES, ("../../evil", b"")), "leads out of the file"),
        (zipped(INNER, *BYTES, ("/etc/evil", b"")), "leads out of the file"),
        (zipped(INNER, *((f"archive/{k:0200}", b"") for k in range(2000))), "its list of members has"),
        (saved(ACTOR)[:-10], ""),
        (saved(ACTOR)[: len(saved(ACTOR)) // 2], ""),
        (legacy(ACTOR, little=b"\x89"), "not a little-endian file of torch"),
        (legacy(ACTOR, sizes={"0": 1 << 62}), "has .* bytes, not 12 float32"),
        (legacy(ACTOR)[:-4], "has 4 bytes, not 2 float32"),
        (b"\x80\x02K\x01." * 5, "no dictionary|not a little-endian"),
        (b"PK\x05\x06" + bytes(18), ""),
        (b"", ""),
        (bytes(MOST_BYTES + 1), "the limit is"),
    ],
)
def test_files_of_torch(policy, says):
    refused(says, written("a.zip", data(), policy))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[" * 100_000, ""),
        ("[" + '{"":{}},' * 131_000 + "1]", "not a JSON object"),
        (b" " * (1 << 20) + b"{}", "data has 1,048,578 bytes; the limit is 1,048,576"),
        ("[]", "not a JSON object"),
        ('{"policy_class": 1}', ""),
        (b"\xff", ""),
        (data("\x1b[2J\ud800"), r"its policy is of \\x1b\[2J\\ud800: it is of another kind"),
        (data(acts=BOUNDED | {"low": "1 " * 400_000}), "too many bounds"),
        (data(acts=BOUNDED | {"_shape": [99] * 200_000}), "a space of shape"),
        (data(acts=BOUNDED | {"_shape": [-1]}), "a space of shape"),
        (data(acts=BOUNDED | {"_shape": ["9" * 5000]}), ""),
    ],
)
def test_data_beside_the_weights(content, says):
    refused(says, written("a.zip", content, saved(ACTOR)))


def test_what_is_serialized_beside_the_weights_is_not_opened():
    content = data()
    for part in content.values():
        part[":serialized:"] = cloudpickle.dumps(Evil()).hex()
    assert load_policy(written("a.zip", content, saved(ACTOR)))(np.zeros(3)).shape == (2,)


def patched(raw, *changes):
    """``raw`` with other bytes at the places (offset, format, value)."""
    found = bytearray(raw)
    for at, form, value in changes:
        struct.pack_into(form, found, at, value)
    return bytes(found)


def test_zip_files():
    path = written(Path("a.zip"), data(), bytes(1 << 24) * 3, zipfile.ZIP_DEFLATED)  # a bomb
    refused("policy.pth has 50,331,648 bytes; the limit is 16,8", path)
    path = written(path, data(), bytes(1 << 24), zipfile.ZIP_DEFLATED)
    refused("", path)
    raw = path.read_bytes()
    local, central = raw.find(b"policy.pth") - 30, raw.rfind(b"policy.pth") - 46
    for size in (1000, 0xFFFFFF):  # members that lie about their size
        path.write_bytes(patched(raw, (local + 22, "<I", size), (central + 24, "<I", size)))
        refused("", path)
    path = written(path, data(), saved(ACTOR))
    raw = path.read_bytes()
    local, central = raw.find(b"policy.pth") - 30, raw.rfind(b"policy.pth") - 46
    end = raw.rfind(b"PK\x05\x06")
    for changes, says in (
        ([(local + 6, "<H", 1), (central + 8, "<H", 1)], "encrypted"),
        ([(local + 8, "<H", 99), (central + 10, "<H", 99)], "compressed by method 99"),
        ([(central + 20, "<I", 1 << 30)], "together longer than the file"),
        ([(central + 42, "<I", len(raw) - 10)], ""),  # begins at the end of the file
        ([(central + 16, "<I", 1)], "CRC"),
        ([(end + 12, "<I", 1 << 30)], ""),  # a huge list of members
        ([(end + 16, "<I", 1 << 31)], ""),
    ):
        path.write_bytes(patched(raw, *changes))
        refused(says, path)
    refused("data is compressed by method 14", written(path, data(), saved(ACTOR), zipfile.ZIP_LZMA))
    path.write_bytes(zipped(*((f"{k:07}", b"") for k in range(60_000))))
    refused("its list of members has", path)
    path.write_bytes(zipped(("data", "{}"), ("policy.pth", b""), ("data", "{}")))
    refused("two members of the same name", path)
    path.write_bytes(zipped(("data", "{}"), ("policy.pth", b""), ("../a", "")))
    refused("leads out of the file", path)
    path.write_bytes(zipped(("data", "{}")))
    refused("", path)
    os.mkfifo("pipe.zip")
    with pytest.raises(DescriptionError, match="is a pipe or a device"):
        load_policy("pipe.zip")


def test_a_large_storage_is_not_read():
    changed, large = {FIRST: tensor("0", (4, 3), count=15 << 20)}, {"data/0": bytes(60 << 20)}
    refused(
        "data/0 has 62,914,560 bytes; the limit is 16,777,216", written("a.zip", data(), saved(ACTOR, changed, large))
    )


def test_weights_that_share_a_storage_do_not_fill_the_memory():
    weights, changed, count = {}, {}, 1 << 21
    for k in range(20):
        name = f"mlp_extractor.policy_net.{2 * k}"
        weights |= {f"{name}.weight": np.zeros(1), f"{name}.bias": np.zeros(1)}
        changed[f"{name}.weight"] = tensor("0", (1024, 1024), count=count)
        changed[f"{name}.bias"] = tensor("0", (1024,), count=count)
    refused(
        "more than 2,097,152 weights", written("a.zip", data(), saved(weights, changed, {"data/0": bytes(4 * count)}))
    )


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        (b"K\x03\x85", b"J\xff\xff\xff\xff\x85"),  # the shape (3,) is (-1,)
        (b"K\x03\x85", b"J\xff\xff\xff\x7f\x85"),  # (2147483647,)
        (b"K\x03\x85", b"(" + b"K\x01" * 1000 + b"t"),  # 1,000 axes
        (b"K\x03\x85", b"]"),
        (b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00O8"),
        (b"X\x02\x00\x00\x00f8", b"X\x03\x00\x00\x00V99"),
        (b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00f4"),
        (b"X\x02\x00\x00\x00f8", b"K\x08"),
        (b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00>"),
        (b"cnumpy\ndtype", b"cnumpy\nload"),
        (b"c_codecs\nencode", b"cos\nsystem"),
        (b"c_codecs\nencode", b"c_codecs\ndecode"),
        (b"cnumpy.random._pickle\n__randomstate_ctor", b"cnumpy\nfromfile"),
    ],
)
def test_statistics(found, changed):
    written("a.zip", data(), saved(ACTOR))
    raw = statistics(2)
    assert found in raw
    Path("v.pkl").write_bytes(raw.replace(found, changed))
    refused("", "a.zip", "v.pkl")


def test_statistics_of_other_sizes():
    written("a.zip", data(), saved(ACTOR))
    raw = statistics()
    for content in (raw[:-1], raw[: len(raw) // 2], b"", b"\x80\x04", raw + bytes(1 << 22)):
        Path("v.pkl").write_bytes(content)
        refused("", "a.zip", "v.pkl")
