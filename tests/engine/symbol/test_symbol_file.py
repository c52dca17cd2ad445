"""Graphs in JSON files: nothing is lost, nothing is run, and damage is named."""

from __future__ import annotations

import json
import random

import pytest
import torch
from dlengine import EngineError
from dlengine import symbol as sym


def network() -> sym.Symbol:
    data = sym.Variable("data", dtype="float32")
    h = sym.Activation(sym.Convolution(data, num_filter=4, kernel=3, name="conv"), act_type="relu")
    h = sym.Concat(sym.Pooling(h, kernel=2, stride=2), sym.Pooling(h, kernel=2, stride=2, pool_type="avg"))
    h = torch.clamp(torch.flatten(h, 1)[:, ::2] * 0.5, max=float("inf"))
    first = sym.FullyConnected(h, num_hidden=3, name="fc")
    return sym.Group(sym.SoftmaxOutput(first, name="softmax"), first.to(torch.float64).sum(dim=(0, 1)))


def test_a_saved_graph_computes_the_same(tmp_path):
    torch.manual_seed(0)
    net = network()
    net.save(tmp_path / "net.json")
    again = sym.load(tmp_path / "net.json")
    assert again.to_json() == net.to_json()
    assert again.list_arguments() == net.list_arguments()
    x = torch.randn(2, 1, 8, 8)
    one, two = net.bind((2, 1, 8, 8)), again.bind((2, 1, 8, 8))
    assert one.state_dict().keys() == two.state_dict().keys()
    assert torch.equal(one(x)[0], two(x)[0])
    assert torch.equal(one(x)[1], two(x)[1])
    assert two(x)[1].dtype == torch.float64
    assert two.default_loss is not None


def test_python_functions_are_asked_for_and_never_loaded(tmp_path):
    @sym.node
    def double(x):
        return 2 * x

    net = double(sym.Module(torch.nn.Softmax(dim=1), sym.Variable("data"), name="mine"))
    net.save(tmp_path / "net.json")
    with pytest.raises(EngineError, match="runs the torch module 'Softmax', which a file cannot hold"):
        sym.load(tmp_path / "net.json")
    module = torch.nn.Softmax(dim=1)
    with pytest.raises(EngineError, match="runs the Python function 'double'"):
        sym.load(tmp_path / "net.json", python={"mine": module})
    with pytest.raises(EngineError, match=r"python\['double'\] is a int"):
        sym.load(tmp_path / "net.json", python={"mine": module, "double": 3})
    again = sym.load(tmp_path / "net.json", python={"mine": module, "double": lambda x: 2 * x})
    assert torch.equal(again.bind((1, 2))(torch.zeros(1, 2)), torch.ones(1, 2))


def test_weights_without_a_layer_are_not_saved():
    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * self.scale

    with pytest.raises(EngineError, match=r"layer 'scale' \(Parameter\) is a weight that belongs to no layer"):
        sym.trace(Scaled()).to_json()


def changed(**changes) -> str:
    content = json.loads((sym.FullyConnected(sym.Variable("data"), num_hidden=2, name="fc") * 2).to_json())
    for path, value in changes.items():
        *parents, last = path.split("_")
        place = content
        for part in parents:
            place = place[int(part) if part.isdigit() else part]
        place[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is no JSON"),
        ("{", "the text is no JSON"),
        ("[" * 100_000, "the text is no JSON"),
        ("[]", "holds no graph"),
        (changed(format="other"), "holds no graph"),
        (changed(version=2), "has version 2 of the format, and this dlengine reads 1"),
        (changed(nodes={}), "nodes is no list"),
        (changed(outputs=[]), "names no outputs"),
        (changed(outputs=[[9, 0]]), r"\[9, 0\] is no output of an earlier node"),
        (changed(outputs=[[1, 1]]), r"\[1, 1\] is no output"),
        (changed(outputs=[[True, 0]]), "is no output"),
        (changed(nodes=[3]), "node 0 has no name"),
        (changed(nodes_1_inputs=[[1, 0]]), r"node 1 \('fc'\): \[1, 0\] is no output of an earlier node"),
        (changed(nodes_1_inputs=[]), "it has 0 inputs and takes 1"),
        (changed(nodes_1_op="FullyConected"), "unknown operation 'FullyConected'\n.*did you mean 'FullyConnected'"),
        (changed(nodes_1_op="eval"), "unknown operation 'eval'"),
        (changed(nodes_1_op=["a"]), "unknown operation"),
        (changed(nodes_1_op=None), "unknown operation 'None'"),
        (changed(nodes_1_params={"num_hidden": "2"}), "num_hidden='2'"),
        (changed(nodes_1_params={"num_hidden": 2, "evil": 1}), "unknown parameter 'evil'"),
        (changed(nodes_1_params={"num_hidden": 1e999}), "num_hidden=inf"),
        (changed(nodes_1_params=[]), "its params are no object"),
        (changed(nodes_1_extra=1), "an unknown entry 'extra'"),
        (changed(nodes_1_name="data"), "two parts of the graph are called 'data'"),
        (changed(nodes_1_name="a b"), "cannot be called 'a b'"),
        (changed(nodes_0_params={"shape": "x"}), "the shape of 'data' is 'x'"),
        (changed(nodes_2_params={}), "its params make no sense"),
        (changed(nodes_2_params={"args": {"tuple": [{"input": 5}]}, "kwargs": {"dict": {}}}), "input 5"),
        (changed(nodes_2_params={"args": {"code": "1"}, "kwargs": {"dict": {}}}), "'code'"),
        (changed(nodes_2_params={"args": {"dtype": "load"}, "kwargs": {"dict": {}}}), "dtype 'load'"),
    ],
)
def test_damaged_text_is_refused_by_name(text, message):
    with pytest.raises(EngineError, match=message):
        sym.from_json(text)


def test_attributes_that_lead_out_of_tensors_are_refused():
    text = changed(nodes_2_op="getattr")
    for name in ("__class__", "__reduce__", "grad_fn", "data"):
        content = json.loads(text)
        content["nodes"][2]["params"] = {"args": {"tuple": [{"input": 0}, name]}, "kwargs": {"dict": {}}}
        with pytest.raises(EngineError, match="a tensor has shape"):
            sym.from_json(json.dumps(content))


def test_unreadable_files_are_refused(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EngineError, match="is no text"):
        sym.load(tmp_path / "binary")
    with pytest.raises(EngineError, match="No such file"):
        sym.load(tmp_path / "missing")


def test_no_change_of_a_file_does_worse_than_an_error():
    """Bytes are changed at random; the graph loads, binds and runs, or an EngineError says what is wrong."""
    text = network().to_json()
    chance = random.Random(0)
    loaded = 0
    for _ in range(300):
        letters = list(text)
        for _ in range(chance.choice([1, 1, 2, 5])):
            letters[chance.randrange(len(letters))] = chance.choice('0123456789-[]{},:"truenlx')
        try:
            sym.from_json("".join(letters)).infer_shape((2, 1, 8, 8))
            loaded += 1
        except EngineError:
            pass
    assert 0 < loaded < 300
