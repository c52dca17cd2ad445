"""A small network in MXNet's Gluon, trained data-parallel by Horovod. Start it with horovodrun."""

import digits
import horovod
import horovod.mxnet as hvd
import mxnet as mx
from mxnet import autograd, gluon

hvd.init()
mx.random.seed(0)
images, labels, test_images, test_labels = digits.load()
model = gluon.nn.HybridSequential()
model.add(gluon.nn.Dense(64, activation="tanh", in_units=64), gluon.nn.Dense(10, in_units=64))
model.initialize(mx.init.Xavier())
parameters = model.collect_params()
hvd.broadcast_parameters(parameters, root_rank=0)
trainer = hvd.DistributedTrainer(parameters, "sgd", {"learning_rate": 0.1, "momentum": 0.9})
loss = gluon.loss.SoftmaxCrossEntropyLoss()
for batch in digits.batches(len(images), epochs=30):
    own = batch[hvd.rank() :: hvd.size()]
    with autograd.record():
        lost = loss(model(mx.nd.array(images[own])), mx.nd.array(labels[own]))
    lost.backward()
    trainer.step(len(own))
first = parameters[sorted(parameters)[0]].data()
apart = float(mx.nd.abs(hvd.allreduce(first) - first).max().asscalar())
if apart > 1e-5:
    raise SystemExit("the processes hold different weights: they are {} apart".format(apart))
if hvd.rank() == 0:
    version = "{} with mxnet {}, {} processes".format(horovod.__version__, mx.__version__, hvd.size())
    digits.report("horovod", version, model(mx.nd.array(test_images)).asnumpy(), test_labels)
