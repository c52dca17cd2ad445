"""A small network in PyTensor: symbolic gradients and a compiled step."""

import digits
import pytensor
from pytensor import tensor

images, labels, test_images, test_labels = digits.load()
parameters = [pytensor.shared(array) for array in digits.weights()]
batch, wanted = tensor.fmatrix(), tensor.lvector()
scores = tensor.dot(tensor.tanh(tensor.dot(batch, parameters[0]) + parameters[1]), parameters[2]) + parameters[3]
loss = -tensor.mean(tensor.special.log_softmax(scores, axis=1)[tensor.arange(wanted.shape[0]), wanted])
gradients = tensor.grad(loss, parameters)
updates = [(parameter, parameter - 0.5 * gradient) for parameter, gradient in zip(parameters, gradients, strict=True)]
step = pytensor.function([batch, wanted], loss, updates=updates, allow_input_downcast=True)
predict = pytensor.function([batch], scores)
for chosen in digits.batches(len(images), epochs=30):
    step(images[chosen], labels[chosen])
digits.report("pytensor", pytensor.__version__, predict(test_images), test_labels)
