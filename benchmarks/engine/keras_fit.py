"""Keras 3's `fit`, on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import keras

from benchmarks.engine import keras_models
from benchmarks.engine.clock import Clock, Done, Job, means_to_losses

job = Job()
clock = Clock()
last = means_to_losses()


class Driver(keras.callbacks.Callback):
    """Tells the clock of every step."""

    def on_train_batch_end(self, batch, logs=None):
        """After a step; `logs` has the mean loss since the start of the epoch."""
        clock.tick(lambda: last(logs["loss"]))


model = keras_models.model(job)
model.compile(keras_models.optimizer(job), keras_models.loss())
x, y = keras_models.inputs(job), job.y
x, y = x.reshape(-1, *x.shape[2:]), y.reshape(-1, *y.shape[2:])
try:
    model.fit(x, y, batch_size=job.batch, epochs=1_000_000, shuffle=False, verbose=0, callbacks=[Driver()])
except Done:
    pass
