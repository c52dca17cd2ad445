"""LeNet declared as a graph and trained on digits: `python declared.py`; `train.py` does so with a torch module."""

import dlengine
from dlengine.symbol import Activation, Convolution, FullyConnected, Pooling, SoftmaxOutput, Variable


def lenet(classes=10):
    x = Variable("data")
    for number, filters in enumerate((20, 50), start=1):
        x = Convolution(x, kernel=5, num_filter=filters, name=f"conv{number}")
        x = Pooling(Activation(x, act_type="tanh"), kernel=2, stride=2)
    x = Activation(FullyConnected(x, num_hidden=500, name="fc1"), act_type="tanh")
    return SoftmaxOutput(FullyConnected(x, num_hidden=classes, name="fc2"), name="softmax")


if __name__ == "__main__":
    train, test = dlengine.data.load("digits")
    net = lenet()
    print(net.summary((1, 1, 28, 28)))
    result = dlengine.fit(net, train, test, epochs=3, batch_size=16, lr=0.05, schedule="one-cycle")
    print(f"test accuracy {result.test_accuracy:.4f}")
