"""A small network in Caffe, trained by its SGDSolver. usage: train.py FOLDER_FOR_FILES"""

import os
import sys

import caffe
import digits
from caffe import layers

folder = sys.argv[1]
images, labels, test_images, test_labels = digits.load()


def network(size, training):
    """A NetSpec of 64-64-10."""
    net = caffe.NetSpec()
    net.data = layers.Input(input_param={"shape": {"dim": [size, 64]}})
    if training:
        net.label = layers.Input(input_param={"shape": {"dim": [size]}})
    filler = {"type": "xavier"}
    net.first = layers.InnerProduct(net.data, num_output=64, weight_filler=filler)
    net.hidden = layers.TanH(net.first, in_place=True)
    net.scores = layers.InnerProduct(net.hidden, num_output=10, weight_filler=filler)
    if training:
        net.loss = layers.SoftmaxWithLoss(net.scores, net.label)
    return net.to_proto()


def written(name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(str(text))
    return path


caffe.set_mode_cpu()
caffe.set_random_seed(0)
train = written("train.prototxt", network(32, True))
rules = 'base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" display: 0 max_iter: 100000 random_seed: 0'
solver = caffe.SGDSolver(written("solver.prototxt", 'train_net: "%s" %s' % (train, rules)))
for batch in digits.batches(len(images), epochs=30):
    solver.net.blobs["data"].data[...] = images[batch]
    solver.net.blobs["label"].data[...] = labels[batch]
    solver.step(1)
model = os.path.join(folder, "digits.caffemodel")
solver.net.save(model)
# Read back: what counts is the file that others will load.
test = caffe.Net(written("test.prototxt", network(len(test_images), False)), model, caffe.TEST)
test.blobs["data"].data[...] = test_images
digits.report("caffe", caffe.__version__, test.forward()["scores"], test_labels)
