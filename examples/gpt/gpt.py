"""A GPT learns to write like Python's own manual, letter by letter; the text is in every Python (pydoc topics)."""

import argparse
import math
import re
import textwrap
from pydoc_data.topics import topics

import dlengine
import torch

CONTEXT = 64

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", default="3ep", help='"3ep" are epochs, "300ba" are steps')
parser.add_argument("--letters", type=int, default=400, help="how much to write at the end")
options = parser.parse_args()

text = re.sub("[^\n -~]", "", re.sub(" +", " ", "".join(topics.values())))
letters = sorted(set(text))
codes = torch.tensor([letters.index(each) for each in text])
windows = codes.unfold(0, CONTEXT + 1, CONTEXT)  # each letter is the target of the one before it
cut = len(windows) * 9 // 10
train, test = [dlengine.data.Dataset(part[:, :-1], part[:, 1:]) for part in (windows[:cut], windows[cut:])]
print(
    f"{len(text):,} letters, {len(letters)} different ones; knowing nothing is a loss of {math.log(len(letters)):.2f}"
)

model = dlengine.models.gpt("tiny", vocabulary=len(letters), context=CONTEXT, layers=2, width=64)
recipe = {"optimizer": "adamw", "lr": 7e-3, "weight_decay": 0.1, "schedule": "one-cycle", "batch_size": 16}
result = dlengine.fit(model, train, test, epochs=options.epochs, **recipe)

start = "The following "
prompt = torch.tensor([[letters.index(each) for each in start]])
written = model.generate(prompt, options.letters, temperature=0.6, seed=1)[0]
print("", textwrap.fill("".join(letters[code] for code in written), 110), sep="\n")
