"""A small convolutional network in PaddlePaddle."""

import digits
import paddle
from paddle import nn

paddle.seed(0)
images, labels, test_images, test_labels = digits.load()
model = nn.Sequential(nn.Conv2D(1, 16, 3), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(), nn.Linear(144, 10))
optimizer = paddle.optimizer.Momentum(0.1, parameters=model.parameters())


def scores(pixels):
    return model(paddle.to_tensor(pixels.reshape(-1, 1, 8, 8)))


for batch in digits.batches(len(images), epochs=10):
    nn.functional.cross_entropy(scores(images[batch]), paddle.to_tensor(labels[batch])).backward()
    optimizer.step()
    optimizer.clear_grad()
digits.report("paddlepaddle", paddle.__version__, scores(test_images).numpy(), test_labels)
