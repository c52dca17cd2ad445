"""Tuning changes how fast a step is, and not what it computes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from dlengine import EngineError, fit, models
from dlengine.tune import PLAIN, Plan, applied, by_rule, cache, choose
from dlengine.tune import choice as choosing
from dlengine.tune.allocator import available, keeping_memory
from torch import nn

torch.set_num_threads(1)


class Block(nn.Module):
    """A convolution whose ReLU may run in place, and one whose input is needed once more."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
        self.shared = nn.Conv2d(4, 4, 1)
        self.not_alone = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn(self.conv(x)))
        z = self.shared(y)
        return self.not_alone(z) + z


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), Block(), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 9, 3)
    ).double()


def batch(size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(size, 1, 8, 8, generator=generator).double(), torch.arange(size) % 3


def trained(plan: Plan, make_optimizer, steps: int = 12) -> tuple[nn.Module, torch.Tensor]:
    model = network()
    optimizer = make_optimizer(model.parameters())
    x, y = batch()
    with applied(plan, model, optimizer):
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model, torch.cat([value.flatten().double() for value in model.state_dict().values()])


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01)


RULE = by_rule(network(), sgd(network().parameters()), torch.device("cpu"))


def test_the_rule_finds_what_is_safe_and_nothing_else():
    assert RULE.pool_first == (("1", "2"),)
    assert RULE.inplace == ("3.relu", "4")
    assert RULE.channels_last
    assert RULE.fused


@pytest.mark.parametrize("part", ["inplace", "pool_first"])
def test_rewritten_layers_give_the_same_weights_bit_for_bit(part):
    plan = Plan(**{part: getattr(RULE, part)})
    assert torch.equal(trained(plan, sgd)[1], trained(PLAIN, sgd)[1])


@pytest.mark.parametrize("optimizer", [sgd, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad])
def test_the_whole_rule_gives_the_same_weights(optimizer):
    torch.testing.assert_close(trained(RULE, optimizer)[1], trained(PLAIN, optimizer)[1], rtol=0, atol=1e-6)


def test_pooling_first_gives_the_same_gradient_where_values_are_equal():
    """Ties, windows without a positive value, and windows of zeros."""
    pair = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))
    x = torch.randint(-2, 3, (4, 3, 8, 8)).float()
    gradients = []
    for plan in (PLAIN, Plan(pool_first=(("0", "1"),))):
        leaf = x.clone().requires_grad_()
        with applied(plan, pair):
            (pair(leaf) * torch.arange(16.0).view(4, 4)).sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)


def test_afterwards_the_model_is_as_it_was():
    before = network()
    model, _ = trained(RULE, sgd, steps=2)
    assert [name for name, _ in model.named_modules()] == [name for name, _ in before.named_modules()]
    assert list(model.state_dict()) == list(before.state_dict())
    assert all(parameter.is_contiguous() for parameter in model.parameters())
    assert not any("forward" in vars(module) or getattr(module, "inplace", False) for module in model.modules())


def test_convolutions_of_one_channel_hand_on_channels_last_too():
    model = network()
    with applied(RULE, model):
        assert model[0](batch()[0]).is_contiguous(memory_format=torch.channels_last)
    assert model[0](batch()[0]).is_contiguous()


def test_an_optimizer_of_ones_own_is_as_it_was_and_goes_on():
    model = network()
    optimizer = sgd(model.parameters())
    x, y = batch()
    for plan in (RULE, PLAIN, RULE):
        with applied(plan, model, optimizer):
            assert optimizer.param_groups[0]["fused"] is (True if plan.fused else None)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            assert all(s["momentum_buffer"].stride() == p.stride() for p, s in optimizer.state.items())
    assert optimizer.param_groups[0]["fused"] is None
    assert torch.allclose(nn.utils.parameters_to_vector(model.parameters()), reference(3))


def reference(steps: int) -> torch.Tensor:
    return nn.utils.parameters_to_vector(trained(PLAIN, sgd, steps)[0].parameters())


def test_a_relu_that_is_called_twice_runs_in_place_only_if_both_calls_allow_it():
    class Twice(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.relu(self.shared(self.relu(self.conv(x))))

    class Needed(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.shared(self.relu(self.conv(x)))
            return self.relu(y) + y

    for model, expected in ((Twice(), ("relu",)), (Needed(), ())):
        assert by_rule(model, sgd(model.parameters()), torch.device("cpu")).inplace == expected


def test_layers_that_a_hook_watches_are_left_alone():
    model = network()
    model[1].register_forward_hook(lambda *_: None)
    model[3].relu.register_forward_hook(lambda *_: None)
    plan = by_rule(model, sgd(model.parameters()), torch.device("cpu"))
    assert (plan.pool_first, plan.inplace) == ((), ("4",))


def test_a_model_that_cannot_be_traced_keeps_its_layers(capsys):
    class Branching(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            print("called")
            return super().forward(x if x.sum() > 0 else -x)

    plan = by_rule(Branching(), sgd(Branching().parameters()), torch.device("cpu"))
    assert plan.inplace == ()
    assert plan.channels_last
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("own", [{"foreach": True}, {"fused": False}, {"dampening": 0.1}])
def test_an_optimizer_that_chose_for_itself_is_not_fused(own):
    optimizer = torch.optim.SGD(network().parameters(), lr=0.1, momentum=0.9, **own)
    assert not by_rule(network(), optimizer, torch.device("cpu")).fused


def test_fit_tunes_by_default_says_so_and_gives_the_weights_of_plain_torch(capsys):
    x, y = batch(24)
    found = {}
    for mode in ("auto", "off"):
        model = network()
        fit(model, _Double(x, y), epochs=2, batch_size=8, lr=0.1, tune=mode, device="cpu")
        found[mode] = nn.utils.parameters_to_vector(model.parameters())
        assert ("tuned: channels_last, 2 ReLUs in place" in capsys.readouterr().out) is (mode == "auto")
    torch.testing.assert_close(found["auto"], found["off"], rtol=0, atol=1e-6)
    with pytest.raises(EngineError, match="unknown tune 'on'"):
        fit(network(), _Double(x, y), tune="on")


class _Double:
    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, indices) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = torch.as_tensor(indices)
        return self.x[chosen], self.y[chosen]


def test_a_run_goes_on_with_the_plan_of_its_checkpoint(tmp_path, capsys):
    data = (torch.rand(32, 1, 28, 28), torch.arange(32) % 10)
    arguments = {"batch_size": 8, "device": "cpu", "checkpoint": tmp_path}
    fit(models.lenet(), data, epochs=1, tune="off", **arguments)
    fit(models.lenet(), data, epochs=2, **arguments)
    assert "tuned" not in capsys.readouterr().out
    fit(models.lenet(), data, epochs=3, tune="off", **arguments)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choosing, "SHORT_SECONDS", 0.0)
    monkeypatch.setattr(choosing, "PART", 1e9)
    monkeypatch.setattr(choosing, "LONGEST", 0.4)
    return tmp_path / "dlengine" / "tune.json"


def chosen(model: nn.Module, steps: int = 1000) -> Plan:
    return choose(model, sgd(model.parameters()), nn.functional.cross_entropy, *batch(), steps=steps)


def test_a_long_run_measures_without_touching_the_model_and_remembers(own_cache, monkeypatch):
    monkeypatch.setattr(choosing, "LONGEST", 1e6)  # on a machine so busy that steps take seconds it measures too
    model = network()
    state, random = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    plan = chosen(model)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert len(json.loads(own_cache.read_text())["plans"]) == 1
    assert chosen(model) == plan


@pytest.mark.parametrize(
    ("own", "chosen"),
    [
        ([9, 9, 9, 9, 9], 1),
        ([9.9, 9.9, 9.9, 9.9, 9.9], 0),  # faster by less than noise
        ([1, 1, 1, 11, 11], 0),  # much faster, in three rounds of five
        ([9, 9, 9, 9, 30], 1),
    ],
)
def test_another_plan_is_taken_only_if_it_is_faster_in_nearly_every_round(own, chosen):
    plans = [RULE, PLAIN]
    assert choosing._fastest(plans, [[10] * 5, own]) == plans[chosen]


def test_what_is_remembered_is_taken_unless_the_model_does_not_allow_it(own_cache):
    key = choosing.machine.key(network(), sgd(network().parameters()), batch()[0])
    cache.save(key, Plan(fused=True, inplace=("3.relu", "3.not_alone")))
    assert chosen(network()) == Plan(fused=True, inplace=("3.relu",))


@pytest.mark.parametrize(
    "content", ["{", "[]", json.dumps({"version": cache.VERSION, "plans": 3}), '{"version": 0, "plans": {}}', "\x00"]
)
def test_a_damaged_file_of_choices_is_ignored_with_a_line(own_cache, content, capsys):
    own_cache.parent.mkdir()
    own_cache.write_text(content)
    assert cache.load("any") is None
    said = capsys.readouterr().err
    assert said == ("" if '"version": 0' in content else f"dlengine: {own_cache} is damaged and ignored\n")
    cache.save("any", RULE)
    assert cache.load("any") == RULE


def test_a_damaged_entry_is_ignored(own_cache, capsys):
    own_cache.parent.mkdir()
    own_cache.write_text(json.dumps({"version": cache.VERSION, "plans": {"any": {"inplace": 3}}}))
    assert cache.load("any") is None
    assert "damaged" in capsys.readouterr().err


def test_a_model_that_cannot_be_copied_is_tuned_by_rule(own_cache):
    model = network()
    model.lock = __import__("threading").Lock()
    plan = chosen(model)
    assert plan == by_rule(model, sgd(model.parameters()), torch.device("cpu"))
    assert not own_cache.exists()


@pytest.mark.parametrize(
    ("device", "seconds", "compiles"), [("cpu", 1e5, False), ("cuda", 60, False), ("cuda", 1e5, True)]
)
def test_the_alternatives_include_plain_torch_and_compiling_only_in_long_runs_on_a_gpu(device, seconds, compiles):
    plans = choosing.alternatives(RULE, torch.device(device), seconds=seconds)
    assert Plan(allocator=RULE.allocator) in plans
    assert any(plan.compile for plan in plans) is compiles


@pytest.mark.skipif(not available(), reason="only glibc's malloc is told to keep memory")
def test_memory_of_the_block_lies_where_large_pages_are_asked_for():
    """In a process of its own: the heap of this one may have a free place of that size from an earlier test."""
    subprocess.run([sys.executable, "-c", LARGE_PAGES], check=True, timeout=120)


LARGE_PAGES = """
import torch
from pathlib import Path
from dlengine.tune.allocator import give_back, keeping_memory

def flags_at(address):
    # the kernel's flags of the mapping that holds an address
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if "-" in name:
            begin, end = (int(part, 16) for part in name.split("-"))
            inside = begin <= address < end
        elif inside and name == "VmFlags:":
            return rest
    raise AssertionError("no mapping holds the address")

with keeping_memory():
    first = torch.ones(8 << 20)
    assert "hg" in flags_at(first.data_ptr() + (16 << 20))
    del first
    give_back()
    second = torch.ones(8 << 20)
    assert "hg" in flags_at(second.data_ptr() + (16 << 20))
"""


@pytest.mark.skipif(not available(), reason="another C library than glibc")
def test_memory_that_is_freed_in_the_block_goes_back_after_it():
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    before = resident()
    with keeping_memory():
        for _ in range(2):
            block = torch.ones(64 << 20, dtype=torch.uint8)
            del block
        assert resident() - before > 50 << 20
    assert resident() - before < 20 << 20


@pytest.mark.parametrize("extra", [{"nesterov": True}, {"maximize": True}, {"momentum": 0.0}, {"weight_decay": 0.1}])
def test_the_direct_step_of_sgd_is_torchs_fused_one_bit_for_bit(extra):
    weights = []
    for direct in (False, True):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), **{"lr": 0.1, "momentum": 0.9, **extra})
        with applied(Plan(fused=True), model, optimizer):
            assert "step" in vars(optimizer)
            step = optimizer.step if direct else lambda made=optimizer: type(made).step(made)
            for number in range(4):
                optimizer.param_groups[0]["lr"] = 0.1 / (number + 1)
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(batch()[0]), batch()[1]).backward()
                step()
        assert "step" not in vars(optimizer)
        weights.append(nn.utils.parameters_to_vector(model.parameters()))
    assert torch.equal(*weights)


OTHERS = ["Adam", "AdamW", "Adagrad", "RMSprop", "Adadelta", "Adamax", "ASGD", "NAdam", "RAdam", "Rprop", "Adafactor"]


@pytest.mark.parametrize("kind", OTHERS)
def test_steps_of_torchs_optimizers_without_their_wrapping_are_the_same_bit_for_bit(kind):
    weights = []
    for direct in (False, True):
        model = network()
        optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.01)
        with applied(Plan(allocator=True, fused=kind in ("Adam", "AdamW", "Adagrad")), model, optimizer):
            step = optimizer.step if direct else lambda made=optimizer: type(made).step(made)
            for _ in range(3):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(batch()[0]), batch()[1]).backward()
                step()
        assert "step" not in vars(optimizer)
        states = [each for state in optimizer.state.values() for each in state.values()]
        assert not any(each.requires_grad for each in states if isinstance(each, torch.Tensor))
        weights.append(nn.utils.parameters_to_vector(model.parameters()))
    assert torch.equal(*weights)


def test_optimizers_of_others_and_plain_torch_keep_their_step():
    class Own(torch.optim.SGD):
        def step(self, closure=None):
            raise AssertionError

    model = network()
    for plan, optimizer in [
        (Plan(allocator=True), Own(model.parameters(), lr=0.1)),
        (Plan(allocator=True), torch.optim.Adam(model.parameters(), differentiable=True)),
        (Plan(), torch.optim.Adam(model.parameters())),
    ]:
        with applied(plan, model, optimizer):
            assert "step" not in vars(optimizer)


def test_hooks_of_an_optimizer_are_called():
    calls = []
    optimizer = sgd(network().parameters())
    with applied(Plan(fused=True), network(), optimizer):
        optimizer.register_step_post_hook(lambda *_: calls.append(1))
        optimizer.step()
    assert calls == [1]
