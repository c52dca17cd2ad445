"""A small network in CNTK."""

import cntk
import digits
import numpy as np

cntk.cntk_py.set_fixed_random_seed(1)
images, labels, test_images, test_labels = digits.load()
one_hot = np.eye(10, dtype="float32")[labels]
pixels, wanted = cntk.input_variable(64), cntk.input_variable(10)
hidden = cntk.layers.Dense(64, activation=cntk.tanh)(pixels)
model = cntk.layers.Dense(10)(hidden)
loss = cntk.cross_entropy_with_softmax(model, wanted)
rate = cntk.learning_parameter_schedule_per_sample(0.01)
trainer = cntk.Trainer(model, (loss, None), [cntk.sgd(model.parameters, rate)])
for batch in digits.batches(len(images), epochs=30):
    trainer.train_minibatch({pixels: images[batch], wanted: one_hot[batch]})
digits.report("cntk", cntk.__version__, model.eval({pixels: test_images}), test_labels)
