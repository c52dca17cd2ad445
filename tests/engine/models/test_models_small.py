"""Small networks: what they compute, how they begin, and that they can learn."""

from __future__ import annotations

import dlengine
import pytest
import torch
from dlengine import models
from dlengine import symbol as sym


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_lenet_has_the_parameters_of_mxnet():
    model = models.lenet()
    assert parameters(model) == 431_080
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert models.lenet(classes=47)(torch.zeros(1, 1, 28, 28)).shape == (1, 47)


@pytest.mark.parametrize("size", [28, 32])
def test_lenet5_has_the_parameters_of_the_paper(size):
    model = models.lenet5(size=size)
    assert parameters(model) == 61_706
    assert model(torch.zeros(3, 1, size, size)).shape == (3, 10)


def test_mlp_has_the_layers_that_were_asked_for():
    assert parameters(models.mlp()) == 669_706
    assert models.mlp(4, (3,), 2)(torch.zeros(5, 2, 2)).shape == (5, 2)
    assert parameters(models.mlp(4, (), 2)) == 10


def test_initial_weights_follow_from_the_seed_and_leave_the_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, same, other = models.lenet(seed=3), models.lenet(seed=3), models.lenet(seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.fc1.weight, same.fc1.weight)
    assert not torch.equal(first.fc1.weight, other.fc1.weight)
    assert not torch.equal(models.lenet(seed=None).fc1.weight, models.lenet(seed=None).fc1.weight)


def small_gpt() -> torch.nn.Module:
    return models.gpt(layers=2, heads=2, width=16, context=8, vocabulary=11)


def test_gpt_ties_its_output_to_its_embedding_and_sees_no_future():
    model = small_gpt().eval()
    assert model.head.weight is model.tokens.weight
    tokens = torch.arange(8)[None] % 11
    changed = tokens.clone()
    changed[0, 5:] = 0
    before, after = model(tokens), model(changed)
    assert torch.allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert not torch.allclose(before[:, 5:], after[:, 5:], atol=1e-3)


def test_gpt_attends_as_the_formula_says():
    block = small_gpt().blocks[0]
    x = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(0))
    q, k, v = block.attend(x).split(16, dim=2)
    heads = []
    for head in range(2):
        part = slice(8 * head, 8 * head + 8)
        scores = q[..., part] @ k[..., part].mT / 8**0.5
        scores = scores.masked_fill(torch.ones(5, 5).triu(1).bool(), float("-inf"))
        heads.append(scores.softmax(dim=-1) @ v[..., part])
    assert torch.allclose(block._attention(x), torch.cat(heads, dim=2), atol=1e-6)


def test_gpt_learns_and_continues_a_sequence_beyond_its_context():
    model = small_gpt()
    text = torch.arange(400) % 5
    x = torch.stack([text[i : i + 8] for i in range(300)])
    y = torch.stack([text[i + 1 : i + 9] for i in range(300)])
    result = dlengine.fit(model, (x, y), epochs=8, optimizer="adam", lr=0.01, progress=False)
    assert result.history[-1]["loss"] < 0.05
    made = model.generate(torch.tensor([[3, 4], [0, 1]]), 20, temperature=0)
    assert made.tolist() == [[(3 + i) % 5 for i in range(22)], [i % 5 for i in range(22)]]


def test_gpt_draws_by_seed_among_the_likeliest():
    model = small_gpt().train()
    start = torch.zeros(1, 1, dtype=torch.long)
    first, same, other = (model.generate(start, 30, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(model.generate(start, 9, top_k=1, seed=7), model.generate(start, 9, temperature=0))
    assert model.training


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.gpt("huge"), "unknown size of GPT 'huge'"),
        (lambda: models.gpt(heads=3), "a width of 128 cannot be split over 3 heads"),
        (lambda: small_gpt().generate(torch.zeros(1, 0, dtype=torch.long), 1), r"tokens of shape \(1, 0\)"),
        (lambda: models.resnet(20), "there is no ResNet-20"),
        (lambda: models.resnet(version=3), "ResNet has no version 3"),
        (lambda: models.vgg(12), "there is no VGG-12"),
        (lambda: models.lenet5(size=30), "size=30"),
    ],
)
def test_what_does_not_exist_is_refused(call, message):
    with pytest.raises(dlengine.EngineError, match=message):
        call()


@pytest.mark.slow
def test_a_residual_network_of_each_version_overfits_a_few_images():
    x = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    y = torch.arange(8) % 4
    for version in (1, 2):
        model = models.resnet(18, 4, version=version)
        result = dlengine.fit(model, (x, y), epochs="12ba", batch_size=8, lr=0.02, progress=False)
        assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]


def test_every_convolutional_network_is_also_a_graph():
    with torch.device("meta"):
        zoo = [models.resnet(18), models.resnet(18, version=2), models.inception_bn()]
    for model in zoo:
        graph = sym.trace(model)
        bound = graph.bind((1, 3, 224, 224), device="meta")
        assert {name: value.shape for name, value in bound.state_dict().items()} == {
            name: value.shape for name, value in model.state_dict().items()
        }
