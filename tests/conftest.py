"""How hypothesis draws: the same examples in every fast run, and new ones in `make test-slow`, to find more."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.register_profile("search", derandomize=False)
settings.load_profile("fixed")
