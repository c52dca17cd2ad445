"""A contender's side of the conversation with the driver. Needs NumPy alone.

The contender calls `tick` after every step. After the third it tells the losses of the first three; then it waits for
a number on stdin, makes so many steps, and tells how long they took: wall and processor seconds, and the peak memory.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

import numpy


class Done(BaseException):
    """The driver wants no more steps."""


class Job:
    """What to train: from the file in argv, `weights` by name, and batches `x[i]`, `y[i]` of `batch` samples.

    `shuffled`: in the order in which `fit` with seed 0 undoes the shuffling. Nobody rearranges large arrays in its
    process: once some were freed, glibc's malloc keeps memory that it would else give back, and training is faster.
    """

    def __init__(self, shuffled=False):
        stored = numpy.load(sys.argv[1])
        self.name = str(stored["name"])
        self.x, self.y = (stored[name + "-shuffled" * shuffled] for name in "xy")
        self.batch = self.x.shape[1]
        self.lr = float(stored["lr"])
        self.weights = {key[2:]: stored[key] for key in stored.files if key.startswith("w:")}

    def flat(self):
        """All samples in the order in which they are trained."""
        return self.x.reshape(-1, *self.x.shape[2:]), self.y.reshape(-1, *self.y.shape[2:])


class Clock:
    """Counts steps and answers the driver."""

    def __init__(self, wait=None):
        # What a framework prints must not come between the answers.
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._wait = wait or (lambda: None)
        self._losses = []
        self._left = 3

    def tick(self, loss):
        """After a step; `loss` is a function that gives the loss of that step, called in the first three only."""
        if len(self._losses) < 3:
            self._losses.append(float(loss()))
        self._left -= 1
        if self._left:
            return
        self._wait()
        now, cpu = time.perf_counter(), time.process_time()
        if hasattr(self, "_began"):
            answer = {"wall": now - self._began[0], "cpu": cpu - self._began[1]}
        else:
            answer = {"losses": self._losses}
        answer["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self._out.write(json.dumps(answer) + "\n")
        self._out.flush()
        line = sys.stdin.readline()
        if not line.strip():
            raise Done
        self._left = int(line)
        self._began = time.perf_counter(), time.process_time()


def means_to_losses():
    """A function that turns running means (of the first step, the first two, ...) into the loss of each step."""
    state = [0, 0.0]

    def last(mean):
        state[0] += 1
        total = float(mean) * state[0]
        loss, state[1] = total - state[1], total
        return loss

    return last


def loop(job, step, clock):
    """Steps on the batches in turn until the driver has enough; `step(i)` returns the loss of batch i, in any form."""
    try:
        number = 0
        while True:
            loss = step(number % len(job.x))
            clock.tick(lambda found=loss: found)
            number += 1
    except Done:
        pass
