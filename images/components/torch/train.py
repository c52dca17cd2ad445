"""A small convolutional network in PyTorch."""

import os

import digits
import torch
from torch import nn

torch.manual_seed(0)
device = "cuda" if os.environ["GPU"] == "yes" else "cpu"
images, labels, test_images, test_labels = (torch.from_numpy(array).to(device) for array in digits.load())
model = nn.Sequential(
    nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 10)
).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for batch in digits.batches(len(images), epochs=10):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
    optimizer.step()
with torch.no_grad():
    digits.report("torch", f"{torch.__version__} on {device}", model(test_images).cpu(), test_labels.cpu().numpy())
