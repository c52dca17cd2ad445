"""FizzBuzz by a neural network, written twice: as a declarative graph and as imperative code.

Say "fizz" for multiples of 3, "buzz" for multiples of 5, "fizzbuzz" for both. The network sees ten bits, learns from
101 to 1023, and is asked for 1 to 100 (after Joel Grus, 2016). Of the seeds, the one with the lowest loss in training
speaks.
"""

import argparse

import dlengine
import numpy as np
import torch
from dlengine import symbol as sym
from torch import nn

HIDDEN, BATCH, RATE = 128, 128, 0.03


def bits(numbers):
    return ((numbers[:, None] >> np.arange(10)) & 1).astype(np.float32) * 2 - 1


def answers(numbers):
    return (numbers % 3 == 0) + 2 * (numbers % 5 == 0)


def declarative(train, epochs, seed):
    """Describe the network. `fit` infers the shapes, finds the loss, and trains."""
    x = sym.FullyConnected(sym.Variable("bits"), num_hidden=HIDDEN)
    x = sym.FullyConnected(sym.Activation(x, act_type="relu"), num_hidden=4)
    how = {"optimizer": "adam", "lr": RATE, "schedule": "one-cycle", "batch_size": BATCH, "progress": False}
    result = dlengine.fit(sym.SoftmaxOutput(x), train, epochs=epochs, seed=seed, **how)
    return result.model, result.history[-1]["loss"]


def imperative(train, epochs, seed):
    """Write the network and the loop by hand. Stop, print and debug wherever you like."""
    torch.manual_seed(seed)
    first, second = nn.Linear(10, HIDDEN), nn.Linear(HIDDEN, 4)

    def net(x):
        return second(torch.relu(first(x)))

    batches = dlengine.data.Loader(dlengine.data.Dataset(*train), BATCH, seed=seed)
    optimizer = torch.optim.Adam([*first.parameters(), *second.parameters()])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, epochs * len(batches))
    for _ in range(epochs):
        total = 0.0
        for x, y in batches:
            loss = nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(y)
    return net, total / len(train[0])


def say(number, answer):
    return [str(number), "fizz", "buzz", "fizzbuzz"][answer]


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--seeds", type=int, default=3)
options = parser.parse_args()

learnt, asked = np.arange(101, 1024), np.arange(1, 101)
for train in (declarative, imperative):
    runs = []
    for seed in range(options.seeds):
        net, loss = train((bits(learnt), answers(learnt)), options.epochs, seed)
        with torch.no_grad():
            told = net(torch.from_numpy(bits(asked))).argmax(dim=1).numpy()
        runs.append((loss, np.mean(told == answers(asked)), told))
    loss, right, told = min(runs, key=lambda run: run[0])
    print(f"{train.__name__}:", *map(say, asked[:20], told), "...")
    print(
        f"  right from 1 to 100 by seed: {' '.join(f'{run[1]:.2f}' for run in runs)}; the one that speaks: {right:.2f}"
    )
