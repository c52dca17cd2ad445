from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from dlengine import EngineError, Metric, fit, score
from dlengine.data import Augmented, Dataset
from dlengine.parallel import Group, Place
from dlengine.train import losses
from dlengine.train.meter import Meter, layout
from dlengine.train.metrics import build
from hypothesis import given, settings
from hypothesis import strategies as st

ALONE = Group(Place(), torch.device("cpu"))
GENERATOR = torch.Generator().manual_seed(0)
LOGITS, LABELS = torch.randn(101, 7, generator=GENERATOR), torch.randint(0, 7, (101,), generator=GENERATOR)
VALUES, TRUTH = torch.randn(101, 3, generator=GENERATOR), torch.randn(101, 3, generator=GENERATOR)


def measured(metrics, output, target, cuts=(), loss=0.0) -> dict[str, float]:
    """The metrics over batches that end at `cuts`, from sums that went through a checkpoint and over two ranks."""
    made = build(metrics)
    sizes = layout(made, output[:2], target[:2])
    ranks = [Meter(made, sizes, torch.device("cpu")) for _ in range(2)]
    places = [0, *sorted(cuts), len(target)]
    for number, (begin, end) in enumerate(pairwise(places)):
        if begin < end:
            ranks[number % 2].add(loss, end - begin, output[begin:end], target[begin:end])
    both = Meter(made, sizes, torch.device("cpu"))
    for rank in ranks:
        both.load(rank.state())
    return both.row(ALONE)


cuts = st.lists(st.integers(0, 101), max_size=4)


@settings(max_examples=30, deadline=None)
@given(cuts)
def test_metrics_do_not_depend_on_how_the_samples_are_split(cuts):
    found = measured(["accuracy", "top-3", "f1", "perplexity"], LOGITS, LABELS, cuts)
    whole = measured(["accuracy", "top-3", "f1", "perplexity"], LOGITS, LABELS)
    assert found == pytest.approx(whole, rel=1e-6)
    assert found["samples"] == 101
    errors = measured(["mae", "mse", "rmse"], VALUES, TRUTH, cuts)
    assert errors == pytest.approx(measured(["mae", "mse", "rmse"], VALUES, TRUTH), rel=1e-6)


def test_metrics_are_those_of_scikit_learn_and_torch():
    reference = pytest.importorskip("sklearn.metrics")
    found = measured(["accuracy", "top-3", "f1", "perplexity"], LOGITS, LABELS)
    guess = LOGITS.argmax(1)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(LABELS, guess))
    assert found["top-3"] == pytest.approx(reference.top_k_accuracy_score(LABELS, LOGITS, k=3))
    assert found["f1"] == pytest.approx(reference.f1_score(LABELS, guess, average="macro"))
    assert found["perplexity"] == pytest.approx(torch.nn.functional.cross_entropy(LOGITS, LABELS).exp().item(), 1e-5)
    errors = measured(["mae", "mse", "rmse"], VALUES, TRUTH)
    assert errors["mae"] == pytest.approx(reference.mean_absolute_error(TRUTH, VALUES), 1e-6)
    assert errors["mse"] == pytest.approx(reference.mean_squared_error(TRUTH, VALUES), 1e-6)
    assert errors["rmse"] == pytest.approx(reference.root_mean_squared_error(TRUTH.flatten(), VALUES.flatten()), 1e-6)


def test_one_logit_is_a_yes_or_no():
    reference = pytest.importorskip("sklearn.metrics")
    logit, truth = LOGITS[:, :1], (LABELS > 3).float()[:, None]
    found = measured(["accuracy", "f1"], logit, truth, [40])
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, logit > 0))
    assert found["f1"] == pytest.approx(reference.f1_score(truth, logit > 0))


def test_perplexity_counts_tokens_and_not_those_that_are_ignored():
    logits, tokens = torch.randn(4, 9, 5, generator=GENERATOR), torch.randint(0, 9, (4, 5), generator=GENERATOR)
    tokens[0, 2:] = -100
    expected = torch.nn.functional.cross_entropy(logits, tokens).exp().item()
    assert measured("perplexity", logits, tokens, [1])["perplexity"] == pytest.approx(expected, 1e-5)


def test_functions_and_own_metrics_are_weighed_by_samples():
    def bias(output, target):
        return (output - target).mean()

    class Largest(Metric):
        name = "positive"

        def sums(self, output, target):
            return (output > 0).sum(), output.numel()

    found = measured([bias, Largest()], VALUES, TRUTH, [100])
    assert found["bias"] == pytest.approx((VALUES - TRUTH).mean().item(), abs=1e-6)
    assert found["positive"] == pytest.approx((VALUES > 0).double().mean().item())
    assert measured({"b": bias}, VALUES, TRUTH, [7])["b"] == pytest.approx(found["bias"], abs=1e-6)


def test_the_loss_weighs_samples():
    meter = Meter([], [], torch.device("cpu"))
    meter.add(1.0, 9, None, None)
    meter.add(2.0, 1, None, None)
    assert meter.row(ALONE)["loss"] == meter.loss == pytest.approx(1.1)


@pytest.mark.parametrize("metrics", [["accuracy", "f1"], "accuracy"])
@pytest.mark.parametrize("looked", [True, False])
def test_rewinding_forgets_what_came_after_the_mark(metrics, looked):
    made = build(metrics)
    meter, other = (Meter(made, layout(made, LOGITS, LABELS), torch.device("cpu")) for _ in range(2))
    for one in (meter, other):
        one.add(1.0, 50, LOGITS[:50], LABELS[:50])
    before = other.state()
    mark = meter.mark()
    meter.add(3.0, 51, LOGITS[50:], LABELS[50:])
    if looked:
        assert meter.state() != before
    meter.rewind(mark)
    assert meter.state() == before


def test_answers_that_wait_to_be_counted_are_those_of_their_step():
    made = build("accuracy")
    meter = Meter(made, layout(made, LOGITS, LABELS), torch.device("cpu"))
    output, target = torch.zeros(4, 7), torch.zeros(4, dtype=torch.int64)
    steps = [(torch.roll(LOGITS, number, 0)[:4], LABELS[:4]) for number in range(40)]
    for logits, labels in steps:  # into the same tensors, as a user's loader may do
        meter.add(1.0, 4, output.copy_(logits), target.copy_(labels))
    right = sum(int((logits.argmax(1) == labels).sum()) for logits, labels in steps)
    assert meter.row(ALONE)["accuracy"] == right / 160


def test_answers_of_other_sizes_and_types_are_counted_too():
    made = build("accuracy")
    meter = Meter(made, layout(made, LOGITS, LABELS), torch.device("cpu"))
    parts = [LOGITS, LOGITS[:, :5], LOGITS.double(), LOGITS[:0], torch.randn(2, 3, 9), torch.randn(101, 7, 200)]
    right = 0
    for output in parts:
        labels = torch.zeros(len(output), *output.shape[2:], dtype=torch.int64)
        meter.add(1.0, len(output), output, labels)
        right += int((output.argmax(1) == labels).sum())
    total = sum(len(output) * int(np.prod(output.shape[2:])) for output in parts)
    assert meter.row(ALONE)["accuracy"] == pytest.approx(right / total)


@pytest.mark.parametrize(
    ("metrics", "output", "target", "message"),
    [
        ("acuracy", LOGITS, LABELS, "did you mean 'accuracy'"),
        (3, LOGITS, LABELS, "unknown metric 3"),
        (["f1", "f1"], LOGITS, LABELS, "two metrics would be called 'f1'"),
        ({"lr": np.mean}, LOGITS, LABELS, "two metrics would be called 'lr'"),
        ("top-9", LOGITS, LABELS, "top-9 of 7 classes"),
        ("top-3", VALUES, TRUTH, r"top-3 of outputs \(2, 3\) against targets \(2, 3\)"),
        ("accuracy", LOGITS, TRUTH, "accuracy of outputs"),
        ("mae", LOGITS, LABELS, r"mae of outputs \(2, 7\) against targets \(2,\)"),
        (lambda output, target: output, LOGITS, LABELS, "no single number"),
        ({"own": lambda output, target: output @ target}, LOGITS, LABELS, "'own' cannot be computed"),
    ],
)
def test_metrics_that_cannot_be_are_refused_before_training(metrics, output, target, message):
    with pytest.raises(EngineError, match=message):
        measured(metrics, output, target)


def soft(metrics, output, target, cuts=()) -> dict[str, float]:
    made = build(metrics)
    for metric in made:
        metric.soft = True
    return measured(made, output, target, cuts)


def test_a_class_counts_as_much_as_it_is_probable():
    output = torch.tensor([[3.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    target = torch.tensor([[0.7, 0.3, 0.0], [0.5, 0.4, 0.1]])
    found = soft(["accuracy", "top-2", "f1", "perplexity"], output, target)
    assert found["accuracy"] == pytest.approx((0.7 + 0.1) / 2)
    assert found["top-2"] == pytest.approx((0.7 + 0.3 + 0.4 + 0.1) / 2)
    assert found["f1"] == pytest.approx((2 * 0.7 / (1 + 1.2) + 0 + 2 * 0.1 / (1 + 0.1)) / 3)
    assert found["perplexity"] == pytest.approx(torch.nn.functional.cross_entropy(output, target).exp().item(), 1e-5)


@settings(max_examples=20, deadline=None)
@given(cuts)
def test_certain_probabilities_measure_what_class_numbers_do(cuts):
    names = ["accuracy", "top-3", "f1", "perplexity"]
    certain = torch.nn.functional.one_hot(LABELS, 7).float()
    assert soft(names, LOGITS, certain, cuts) == pytest.approx(measured(names, LOGITS, LABELS), rel=1e-6)


def test_targets_are_probabilities_where_the_loss_or_their_sums_say_so():
    mixed, several = torch.tensor([[0.7, 0.3], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    scores = torch.zeros(2, 2)

    def own(output, target):
        return (output - target).abs().mean()

    for loss, target, expected in (
        (losses.build("cross-entropy", torch.nn.Module()), several, True),
        (torch.nn.CrossEntropyLoss(label_smoothing=0.1), mixed, True),
        (losses.build("bce", torch.nn.Module()), mixed, False),
        (own, mixed, True),
        (own, several, False),
        (own, torch.tensor([0, 1]), False),
        (own, mixed[:, :1], False),
    ):
        assert losses.probabilities(loss, scores, target) is expected


def test_fit_and_score_count_accuracy_of_blended_samples():
    x = torch.cat([torch.randn(60, 4) + 2, torch.randn(60, 4) - 2])
    data = Dataset(x, np.arange(120) // 60)
    model = torch.nn.Linear(4, 2)
    mixed = Augmented(data, mixup=0.4, classes=2)
    row = fit(model, mixed, data, epochs=2, lr=0.1, device="cpu", progress=False).history[-1]
    assert row["test_accuracy"] > 0.95
    assert 0.7 < row["accuracy"] < row["test_accuracy"]
    assert score(model, mixed)["accuracy"] == pytest.approx(row["accuracy"], abs=0.1)
