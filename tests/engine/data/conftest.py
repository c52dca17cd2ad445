"""What the tests of data share."""

from __future__ import annotations

from contextlib import contextmanager, suppress

import pytest
from dlengine import EngineError


@pytest.fixture
def refused():
    """A context in which an EngineError with the given text may happen, and no other."""

    @contextmanager
    def may_refuse(text):
        with suppress(EngineError):
            try:
                yield
            except EngineError as error:
                if text not in error.what:
                    raise AssertionError(f"{text} is not in: {error}") from None
                raise

    return may_refuse
