"""What a newcomer may hand over by mistake is refused with what is wrong and what to do, never by torch."""

from __future__ import annotations

import dlengine
import numpy as np
import pytest
import torch
from dlengine import EngineError, models, symbol
from dlengine.data import Augmented, Dataset, ImageFolder, Loader, RecordWriter, Shards, augment, from_csv, write_shards
from dlengine.train.stream import Stream
from torch import nn

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
Y = np.arange(12) % 3
IMAGES = Dataset(np.zeros((6, 3, 8, 8), np.uint8), np.arange(6) % 3)


def fit(train=(X, Y), **arguments):
    arguments = {"epochs": 1, "progress": False, "device": "cpu", "tune": "off"} | arguments
    return dlengine.fit(nn.Linear(4, arguments.pop("outputs", 3)), train, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoint": 3}, "checkpoint=3\n  hint: give the path"),
        ({"checkpoint": ""}, "checkpoint=.."),
        ({"optimizer": None}, "optimizer=None\n  hint: give a name"),
        ({"optimizer": nn.Linear}, "optimizer=Linear\n  hint: give a name"),
        ({"optimizer": torch.optim.LBFGS}, "LBFGS calls the model several times"),
        ({"optimizer": lambda p: torch.optim.LBFGS(p)}, "LBFGS calls the model several times"),
        ({"optimizer": "AdamW"}, "did you mean 'adamw'"),
        ({"schedule": None}, "known: constant, cosine"),
        ({"schedule": lambda: 1.0}, "the schedule cannot be called"),
        ({"schedule": lambda done: None}, "the schedule cannot be called"),
        ({"schedule": lambda done: float("nan")}, "the schedule gives nan when 0% of the run"),
        ({"loss": lambda output: output.sum()}, "the loss cannot be called"),
        ({"loss": lambda output, target: output.detach().sum()}, "depends on no parameter"),
        ({"callbacks": dlengine.Callback()}, "hint: give a list of objects"),
        ({"callbacks": [dlengine.Callback]}, "hint: give a list of objects"),
        ({"test": (X, Y[:4])}, "in the test data: 12 inputs but 4 targets"),
        ({"train": (X, np.eye(3, dtype=int)[Y])}, r"hint: give class numbers: y.argmax\(1\)"),
        ({"train": (X, np.full((12, 1), 2.0)), "loss": "bce", "outputs": 1}, r"the targets span 2..2"),
        ({"train": (X, np.where(Y == 1, np.nan, 0.0)[:, None]), "loss": "mse", "outputs": 1}, "target of sample 1 is"),
        ({"train": lambda: 3}, "the function for the data returned a int"),
        ({"train": lambda epoch, rank: 3}, "the function for the data wants epoch, rank"),
    ],
)
def test_arguments_of_fit(arguments, message):
    with pytest.raises(EngineError, match=message):
        fit(**arguments)


def test_a_whole_number_of_numpy_is_one():
    assert fit(batch_size=np.int64(4), lr=np.float32(0.1)).steps == 3


def test_samples_of_several_shapes_name_two_of_them():
    samples = [(torch.zeros(4 if number != 7 else 3), 0) for number in range(12)]

    class Ragged(torch.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, number):
            return samples[number]

    with pytest.raises(EngineError, match=r"samples \d+ and \d+ have inputs \(\d,\) and \(\d,\)"):
        fit(Ragged())


def test_a_source_that_gives_fewer_samples_than_asked_for():
    class Short:
        def __len__(self):
            return 12

        def batch(self, indices):
            return torch.as_tensor(X)[indices][:2], torch.as_tensor(Y)[indices][:2]

    with pytest.raises(EngineError, match=r"batch\(\) of 12 samples gave 2"):
        fit(Short())


def test_a_batch_size_beyond_the_data_takes_no_memory_for_it():
    fit(batch_size=10**12, tune="auto")


def test_a_loader_is_tuned_for_the_batches_that_it_brings(monkeypatch):
    from dlengine.train import tuned

    seen = []
    monkeypatch.setattr(tuned, "choose", lambda model, made, loss, x, y, **more: seen.append(len(x)) or tuned.PLAIN)
    fit(Stream([(X, Y)] * 3), tune="auto")
    assert seen == [12]


def test_predict_and_score():
    model = nn.Linear(4, 3)
    with pytest.raises(EngineError, match="batch_size=0"):
        dlengine.predict(model, X, batch_size=0)
    with pytest.raises(EngineError, match="the model is a NoneType"):
        dlengine.score(None, (X, Y))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: augment.Shift(1.5), "a shift by 1.5 pixels"),
        (lambda: augment.Cutout("8"), "a cutout of '8' pixels"),
        (lambda: augment.Flip("often"), "probability='often'"),
        (lambda: augment.Affine(degrees="5"), "degrees='5'"),
        (lambda: augment.Affine(scale=2), "hint: give .lowest, highest."),
        (lambda: augment.Normalize("a", "b"), "mean 'a' and std 'b'"),
        (lambda: Augmented((X, Y), []), "Augmented of a tuple"),
        (lambda: Augmented(IMAGES, augment.Flip()), "hint: give a list"),
        (lambda: Augmented(IMAGES, [augment.Flip]), "hint: give a list"),
        (lambda: Augmented(IMAGES, [lambda images, draws: None]).batch([0]), "gave a NoneType for 1"),
        (lambda: Augmented(Dataset(X, Y), [augment.Shift(1)]).batch([0]), r"Shift of inputs of shape \(N, 4\)"),
        (lambda: Loader((X, Y), 4), "the data is a tuple"),
        (lambda: Loader(IMAGES, 4, device="gpu"), "unknown device 'gpu'"),
        (lambda: Loader(IMAGES, 4).load_state_dict({}), "no state of a Loader"),
        (lambda: from_csv(None), "the path is a NoneType"),
        (lambda: Shards(None), "None names no tar files"),
        (lambda: ImageFolder(".", size="8"), "size '8'"),
    ],
)
def test_data(make, message):
    with pytest.raises(EngineError, match=message):
        make()


def test_what_is_written(tmp_path):
    with pytest.raises(EngineError, match="sample 0: cls is a str"):
        write_shards(tmp_path / "shards", [{"cls": "1"}])
    with pytest.raises(EngineError, match="cannot be written"):
        RecordWriter(tmp_path / "missing" / "x.rec")
    with RecordWriter(tmp_path / "x.rec") as writer:
        with pytest.raises(EngineError, match="record 0: the content is a str"):
            writer.write("text", 1)
        with pytest.raises(EngineError, match="record 0: the label 'cat'"):
            writer.write(b"bytes", "cat")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.mlp(784, 10), "hidden=10\n  hint: give the widths"),
        (lambda: models.lenet(classes="10"), "classes='10'"),
        (lambda: models.resnet(18, classes=0), "classes=0"),
        (lambda: models.lenet(seed="a"), "seed='a'"),
        (lambda: models.gpt("tiny", vocabulary=0), "vocabulary=0"),
        (lambda: gpt().generate([1, 2], 3), "no tensor of whole numbers"),
        (lambda: gpt().generate(TOKENS + 60, 3), "the tokens span 60..64, and the vocabulary has 9"),
        (lambda: gpt().generate(TOKENS, 3, top_k=0), "top_k=0"),
        (
            lambda: dlengine.fit(gpt(), (TOKENS + 60, TOKENS)),
            r"got numbers from 60 to 6\d\n  hint: they must lie in 0..8",
        ),
        (lambda: dlengine.fit(gpt(), (TOKENS, TOKENS + 60)), r"the next tokens span 60..6\d"),
    ],
)
def test_models(make, message):
    with pytest.raises(EngineError, match=message):
        make()


def gpt() -> models.GPT:
    return models.gpt("tiny", layers=1, width=8, heads=1, context=8, vocabulary=9)


TOKENS = torch.arange(20).reshape(4, 5) % 5
NET = symbol.SoftmaxOutput(symbol.FullyConnected(symbol.Variable("data"), num_hidden=3, name="fc1"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NET.draw("net.png"), "the picture is SVG"),
        (lambda: NET.draw("missing/net.svg"), "missing/net.svg cannot be written: No such file"),
        (lambda: NET.save("missing/net.json"), "missing/net.json cannot be written: No such file"),
        (lambda: NET.bind((2, 4), device="gpu"), "unknown device 'gpu'"),
        (lambda: NET.bind((2, 4), seed="a"), "seed='a'"),
        (lambda: NET.bind((2, 4))(X[:2]), "hint: give torch tensors"),
        (lambda: NET.bind((2, 4))(torch.ones(2, 4).double()), "hint: convert the data"),
        (lambda: NET.internals()[99], "there is no output 99"),
        (lambda: symbol.Group("fc1"), "Group got a str"),
        (lambda: symbol.node(3), "node got a int"),
        (lambda: 1 if symbol.Variable("x") > 0 else 2, "a symbol is neither true nor false"),
    ],
)
def test_graphs(make, message):
    with pytest.raises(EngineError, match=message):
        make()
