"""What is generated from the recipes and committed is up to date."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GENERATED = runpy.run_path(str(ROOT / "scripts/generate_images.py"))["generated"]()


@pytest.mark.parametrize("path", GENERATED)
def test_a_generated_file_is_up_to_date(path):
    assert (ROOT / path).read_text(encoding="utf-8") == GENERATED[path], "run scripts/generate_images.py"


def test_no_generated_file_is_left_over():
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "images").glob("*/build/**/*") if path.is_file()}
    assert there == {path for path in GENERATED if path.startswith("images/")}
