"""Files as exporters really write them: missing, superfluous or wrong shapes, nested graphs, broken files."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import os
from itertools import pairwise

import h5py
import nir
import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.nir import import_graph, import_nir
from snn_control.nir.reading import flatten, read_graph
from snn_control.nir.verification import verify
from tests.damage import damaged
from tests.nir.frameworks import Chain, Leaky, Norse, Sinabs

F = np.float32


def lif(shape, tau=5.0, dtype=F):
    one = np.ones(shape, dtype)
    return nir.LIF(tau=one * dtype(tau), r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)


def graph(nodes, edges):
    return nir.NIRGraph(nodes, edges, type_check=False)


def line(**nodes):
    """Nodes in series, with an Output."""
    names = [*nodes, "output"]
    return graph(nodes | {"output": nir.Output(np.array([1]))}, list(pairwise(names)))


def imported(nir_graph, dialect="sinabs", **options):
    return import_graph(flatten(nir_graph), dialect, None, {"norm_input": True} | options)


def test_parameters_without_dimensions_are_spread_over_what_arrives(tmp_path):
    rng = np.random.default_rng(0)
    chain = Chain(rng, 10, Norse(12, tau=8), Norse(6, tau=20, graded=True), scale=8.0)
    whole, bare = chain.graph(), chain.graph()
    for node in (bare.nodes["1"], bare.nodes["3"]):
        for key, value in vars(node).items():
            if isinstance(value, np.ndarray):
                setattr(node, key, np.asarray(value[0]))
    bare.nodes["input"] = nir.Input(np.array([1, 10]))  # with a batch
    path = tmp_path / "bare.nir"
    nir.write(path, bare, compression=None)
    with pytest.raises(ValueError, match="type"):
        nir.read(path)
    arrays = chain.run((rng.random((100, 10)) < 0.3).astype(F))
    assert verify(import_graph(flatten(whole), "norse"), arrays).identical
    read = import_nir(path, "norse")
    assert verify(read, arrays).identical
    assert read.inputs == {"input": 10}
    assert read.notes == ()


@pytest.mark.parametrize("shape", [(), (1,), (1, 4), (4,), (4, 1, 1), (1, 4, 3, 3), (4, 3, 3)])
def test_shapes_of_parameters(shape):
    pictures = np.prod(shape) not in (1, 4) or len(shape) == 3
    tau = np.arange(1, np.prod(shape, dtype=int) + 1).reshape(shape) + 1.0
    one = np.ones(shape)
    node = nir.LIF(tau=tau, r=one, v_leak=0 * one, v_threshold=one)
    if pictures:
        weights, bias = np.ones((4, 2, 3, 3), F), np.zeros(4, F)
        conv = nir.Conv2d(None, weights, 1, 0, 1, 1, bias)
        nodes = line(x=nir.Input(np.array([2, 5, 5])), c=conv, n=node)
        want = np.broadcast_to(tau.reshape(tau.shape[-3:]), (4, 3, 3)).reshape(-1)
    else:
        nodes = line(x=nir.Input(np.array([3])), w=nir.Linear(np.ones((4, 3), F)), n=node)
        want = np.broadcast_to(tau.reshape(-1), 4)
    neuron = imported(nodes).network.populations[0].neuron
    got = np.broadcast_to(neuron.tau_mem, want.size)
    np.testing.assert_allclose(got, want * 1e-3, rtol=1e-5)


@pytest.mark.parametrize(
    ("declared", "consumer", "size", "note"),
    [
        ((1, 20), lambda: nir.Linear(np.ones((4, 20), F)), 20, ""),
        ((7, 20), lambda: nir.Linear(np.ones((4, 20), F)), 20, "leading dimensions (7,)"),
        ((1, 2, 5, 5), lambda: nir.Conv2d(None, np.ones((4, 2, 3, 3), F), 1, 0, 1, 1, np.zeros(4)), 50, ""),
        ((1, 5, 5), lambda: nir.Conv2d(None, np.ones((4, 1, 3, 3), F), 1, 0, 1, 1, np.zeros(4)), 25, ""),
        ((1, 2, 8), lambda: nir.Conv1d(None, np.ones((4, 2, 3), F), 1, 0, 1, 1, np.zeros(4)), 16, ""),
        ((1, 2, 4, 4), lambda: nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])), 32, ""),
        ((1, 2, 5, 5), lambda: nir.Flatten(None, 0, -1), 50, ""),
        ((1, 20), lambda: lif((20,)), 20, ""),
        ((1, 20), lambda: lif(()), 20, ""),
    ],
)  # fmt: skip
def test_batch_and_time_in_the_input_are_left_out(declared, consumer, size, note):
    found = imported(line(x=nir.Input(np.array(declared)), a=consumer(), n=lif(())))
    assert found.inputs == {"x": size}
    assert note in "".join(found.notes)
    assert bool(found.notes) == bool(note)


def test_float64_among_float32_and_a_wrong_output_shape():
    rng = np.random.default_rng(1)
    recurrent = rng.uniform(-0.3, 0.3, (12, 12)).astype(F), np.zeros(12, F)
    chain = Chain(rng, 10, Leaky(12, 0.9, recurrent=True), Leaky(6, 0.8), recurrent=recurrent)
    nodes = chain.graph().nodes
    for key, value in vars(nodes["1.lif"]).items():
        if isinstance(value, np.ndarray):
            setattr(nodes["1.lif"], key, value.astype(np.float64))
    nodes["output"] = nir.Output(np.array([1, 1, 6]))
    read = import_graph(flatten(graph(nodes, chain.graph().edges)), "snntorch")
    assert verify(read, chain.run((rng.random((100, 10)) < 0.3).astype(F))).identical


def test_a_nested_graph_is_spliced_in_even_where_its_own_check_fails(tmp_path):
    rng = np.random.default_rng(2)
    recurrent = rng.uniform(-0.3, 0.3, (12, 12)).astype(F), rng.uniform(0, 0.1, 12).astype(F)
    chain = Chain(rng, 10, Leaky(12, 0.9, recurrent=True), Leaky(6, 0.8), recurrent=recurrent)
    flat = chain.graph().nodes
    inner = {"input": nir.Input(np.array([7])), "lif": flat["1.lif"], "w": flat["1.w_rec"], "output": nir.Output([1])}
    edges = [("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")]
    nodes = {"input": flat["input"], "0": flat["0"], "rl": graph(inner, edges), "2": flat["2"], "3": flat["3"]}
    nodes["output"] = flat["output"]
    names = list(nodes)
    path = tmp_path / "nested.nir"
    nir.write(path, graph(nodes, list(pairwise(names))))
    with pytest.raises(ValueError, match="type"):
        nir.read(path, type_check=False)  # the library's own trap
    read = import_nir(path, "snntorch")
    assert verify(read, chain.run((rng.random((100, 10)) < 0.3).astype(F))).identical
    assert read.names["rl.lif"] == "rl_lif"
    assert list(read.inputs) == ["input"]


def test_nodes_are_found_by_type_and_named_by_what_they_are_called():
    nodes = {
        "input_1": nir.Input(np.array([3])),
        "_0": nir.Linear(np.ones((4, 3), F)),
        "10.lif": lif((4,)),
        "2": lif((4,)),
    }
    nodes |= {"é": nir.Output(np.array([4]))}
    found = imported(graph(nodes, list(zip(list(nodes), list(nodes)[1:]))))
    assert list(found.inputs) == ["input_1"]
    assert [p.name for p in found.network.populations] == ["n10_lif", "n2"]
    assert list(found.outputs.values()) == ["n2"]


def test_edges_that_stand_twice_count_once():
    nodes = {"x": nir.Input(np.array([3])), "w": nir.Linear(np.ones((4, 3), F)), "n": lif((4,)), "y": nir.Output([4])}
    once = [("x", "w"), ("w", "n"), ("n", "y")]
    assert len(imported(graph(nodes, once * 2)).network.projections) == 1


@pytest.mark.parametrize(
    ("nodes", "edges", "says"),
    [
        (lambda: {"x": nir.Input([3]), "n": lif((3,))}, [("x", "lif")], "edges.x -> lif = 'lif': is not a node; there are n, x"),
        (lambda: {"n": lif((3,))}, [], "has no Input"),
        (lambda: {"x": nir.Input([3]), "w": nir.Linear(np.ones((4, 5)))}, [("x", "w")], "nodes.w.weight = 'shape (4, 5)': must take the 3 numbers"),
        (lambda: {"x": nir.Input([3]), "n": lif((4,))}, [("x", "n")], "nodes.n.v_threshold = 'shape (4,)': must fit what arrives, of shape (3,)"),
        (lambda: {"x": nir.Input([3]), "y": nir.Input([4]), "n": lif((3,))}, [("x", "n"), ("y", "n")], "nodes.n = 'takes 3 numbers': must take the 4 of y"),
        (lambda: {"x": nir.Input([3]), "w": nir.Linear(np.ones((3, 3)))}, [("w", "w"), ("x", "w")], "a cycle without a delay"),
        (lambda: {"x": nir.Input([3]), "n": lif((3,)), "w": nir.Linear(np.ones((3, 3)))}, [("x", "n")], "cannot be reached from an Input"),
        (lambda: {"x": nir.Input([9]), "c": nir.Conv2d(None, np.ones((1, 1, 2, 2)), 1, 0, 1, 1, np.zeros(1)), "n": lif(())}, [("x", "c"), ("c", "n")], "Conv2d takes 3 dimensions"),
        (lambda: {"x": nir.Input([1, 2, 2]), "c": nir.Conv2d(None, np.ones((1, 1, 3, 3)), 1, 0, 1, 1, np.zeros(1)), "n": lif(())}, [("x", "c"), ("c", "n")], "must fit into the padded picture"),
        (lambda: {"x": nir.Input([3]), "d": nir.Delay(-np.ones(3)), "n": lif((3,))}, [("x", "d"), ("d", "n")], "nodes.d.delay = -1.0: must be >= 0 s"),
        (lambda: {"x": nir.Input([3]), "n": lif((3,), tau=np.nan)}, [("x", "n")], "nodes.n.tau = nan: must count steps"),
        (lambda: {"x": nir.Input([3]), "w": nir.Linear(np.full((3, 3), np.inf)), "n": lif((3,))}, [("x", "w"), ("w", "n")], "must be finite"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(nodes, edges, says):
    with pytest.raises(DescriptionError) as caught:
        imported(graph(nodes(), edges))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_files_are_one_line(tmp_path):
    def wrong(path, says):
        with pytest.raises(DescriptionError) as caught:
            read_graph(path)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)

    wrong(tmp_path / "nothing.nir", "there is no such file")
    text = tmp_path / "text.nir"
    text.write_text("no NIR")
    wrong(text, "is not an HDF5 file")
    empty = tmp_path / "empty.nir"
    with h5py.File(empty, "w") as file:
        file["version"] = "1"
    wrong(empty, "cannot be read as a NIR file")
    unknown = tmp_path / "unknown.nir"
    nir.write(unknown, line(x=nir.Input(np.array([3])), n=lif((3,))))
    with h5py.File(unknown, "r+") as file:
        del file["node/nodes/n/type"]
        file["node/nodes/n/type"] = "Hodgkin"
    wrong(unknown, "cannot be read as a NIR file")
    with h5py.File(unknown, "r+") as file:
        del file["node/nodes/n"]
    wrong(unknown, "is not a node")
    with pytest.raises(DescriptionError, match=r"unknown.nir: edges.x -> n = 'n': is not a node"):
        import_nir(unknown, "norse")
    alone = tmp_path / "alone.nir"
    nir.write(alone, lif((3,)))
    wrong(alone, "it holds a LIF, not a graph")
    cut = tmp_path / "cut.nir"
    nir.write(cut, line(x=nir.Input(np.array([3])), n=lif((3,))))
    cut.write_bytes(cut.read_bytes()[:900])
    wrong(cut, "cut.nir")


def test_sinabs_layers_of_a_sequence_keep_time_in_their_input():
    rng = np.random.default_rng(3)
    chain = Chain(rng, 10, Sinabs(12), Sinabs(6), scale=2.0)
    nodes = chain.graph()
    nodes.nodes["input"] = nir.Input(np.array([25, 10]))
    read = import_graph(flatten(nodes), "sinabs", options={"min_v_mem": "none"})
    assert verify(read, chain.run((rng.random((100, 10)) < 0.3).astype(F))).identical


# --- damage ------------------------------------------------------------------------------------------


def written(path):
    rng = np.random.default_rng(0)
    nir.write(path, Chain(rng, 10, Norse(12, tau=8), Norse(6, tau=20, graded=True), scale=8.0).graph())
    return path.read_bytes()


def test_damaged_copies_are_read_or_refused_in_a_line_that_names_the_cause(tmp_path):
    path = tmp_path / "a.nir"
    raw, refused, read = written(path), [], 0
    for _, copy in damaged(raw, 150):
        path.write_bytes(copy)
        try:
            read_graph(path)
            read += 1
        except DescriptionError as error:
            refused.append(str(error))
    assert read
    assert len(refused) > 50
    assert all("\n" not in text and not text.rstrip("'").endswith("file: 'type") for text in refused)


def test_a_heap_that_does_not_end_is_refused_before_the_library_walks_it(tmp_path):
    """HDF5 2.0 never ends on a heap in which an object declares a length of 2^64 - 1 bytes."""
    path = tmp_path / "a.nir"
    raw = written(path)
    at = raw.index(b"GCOL") + 16 + 8
    path.write_bytes(raw[:at] + b"\xff" * 8 + raw[at + 8 :])
    with pytest.raises(DescriptionError, match="one of its heaps of texts is damaged; it may be cut or damaged"):
        read_graph(path)


def edited(path, edit):
    written(path)
    with h5py.File(path, "r+") as opened:
        edit(opened["node"])


def virtual(path):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(path, "a", (3,))
    return layout


def moved_to(link):
    """An edit that puts a link in the place of the whole graph."""

    def edit(node):
        node.file.move("node", "other")
        node.file["node"] = link

    return edit


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (lambda node: node.__delitem__("nodes/1/type"), r"nodes\.1 has no type"),
        (lambda node: node.__delitem__("nodes/1/tau"), r"nodes\.1 \(LIF\): it has no 'tau'"),
        (lambda node: node.__setitem__("nodes/1/more", node["nodes"]), "its groups form a cycle"),
        (lambda node: node.__setitem__("more", h5py.ExternalLink("/dev/zero", "/")), "node/more is a link to elsewhere"),
        (lambda node: node.__setitem__("more", h5py.SoftLink("/node/nodes")), "node/more is a link to elsewhere"),
        (moved_to(h5py.ExternalLink("/dev/zero", "/")), "/node is a link to elsewhere"),
        (moved_to(h5py.SoftLink("/other")), "/node is a link to elsewhere"),
        (lambda node: node.create_dataset("more", (3,), "f4", external=[("/etc/passwd", 0, 12)]), "node/more has its numbers in another file"),
        (lambda node: node.create_dataset("more", (3,), "f4", external=[("a.fifo", 0, 12)]), "node/more has its numbers in another file"),
        (lambda node: node.create_virtual_dataset("more", virtual("/etc/passwd")), "node/more has its numbers in another file"),
        (lambda node: node.create_virtual_dataset("more", virtual(".")), "node/more has its numbers in another file"),
        (lambda node: node.create_dataset("more", (10**15,), "f4"), "more says that its shape is .*, for which the file"),
        (lambda node: node.create_dataset("b", (10**9,), "f4", chunks=(10**8,)), "b says that its shape is"),
    ],
)  # fmt: skip
def test_a_file_that_leads_elsewhere_or_promises_too_much_is_refused(tmp_path, monkeypatch, edit, rule):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("a.fifo")  # opening it would hang
    edited(tmp_path / "a.nir", edit)
    with pytest.raises(DescriptionError, match=rule) as error:
        read_graph(tmp_path / "a.nir")
    assert "\n" not in str(error.value)


def test_an_activity_may_have_the_shapes_of_a_convolutional_network():
    """(steps, channels, rows, columns), with and without a batch of one, or flat in that order."""
    rng, steps = np.random.default_rng(5), 40
    weights, x = rng.uniform(-0.5, 0.8, (3, 2, 1, 1)).astype(F), (rng.random((steps, 2, 4, 5)) < 0.3).astype(F)
    conv = nir.Conv2d(None, weights, (1, 1), (0, 0), (1, 1), 1, np.zeros(3, F))
    one = np.ones((3, 4, 5), F)
    cell = nir.IF(r=one * F(1e3), v_threshold=one, v_reset=one * 0)
    read = import_graph(flatten(line(x=nir.Input(np.array([2, 4, 5])), conv=conv, n=cell)), "nir-euler", 1e-3)
    v, spikes = np.zeros((3, 4, 5)), []
    for frame in x:
        v = v + np.einsum("oi,iyx->oyx", weights[:, :, 0, 0].astype(np.float64), frame)
        spikes.append(v > 1)
        v[v > 1] = 0
    want = np.array(spikes, F)
    assert 50 < want.sum() < want.size - 50
    for given in (x, x[:, None], x.reshape(steps, -1), x.reshape(steps, 1, -1)):
        for seen in (want, want[:, None], want.reshape(steps, -1)):
            assert verify(read, {"input": given, "hidden": seen, "output": seen}).identical
    for given, seen, says in [
        (x.swapaxes(2, 3), want, r"input = \(40, 2, 5, 4\): .* must be \(steps, 40\) or \(steps, 2, 4, 5\)"),
        (x, want[:, :, 0], r"output = \(40, 3, 5\): must be \(40, 60\) or \(40, 3, 4, 5\): the steps of input"),
        (x, want[1:], r"output = \(39, 3, 4, 5\)"),
    ]:
        with pytest.raises(DescriptionError, match=says):
            verify(read, {"input": given, "output": seen})
