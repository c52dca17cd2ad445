"""A small network in Theano: symbolic gradients and a compiled step."""

import digits
import theano
from theano import tensor

images, labels, test_images, test_labels = digits.load()
parameters = [theano.shared(array) for array in digits.weights()]
batch, wanted = tensor.fmatrix(), tensor.lvector()
scores = tensor.dot(tensor.tanh(tensor.dot(batch, parameters[0]) + parameters[1]), parameters[2]) + parameters[3]
loss = -tensor.mean(tensor.log(tensor.nnet.softmax(scores))[tensor.arange(wanted.shape[0]), wanted])
gradients = tensor.grad(loss, parameters)
updates = [(parameter, parameter - 0.5 * gradient) for parameter, gradient in zip(parameters, gradients)]
step = theano.function([batch, wanted], loss, updates=updates, allow_input_downcast=True)
predict = theano.function([batch], scores)
for chosen in digits.batches(len(images), epochs=30):
    step(images[chosen], labels[chosen])
digits.report("theano", theano.__version__, predict(test_images), test_labels)
