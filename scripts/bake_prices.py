"""Bake dlcluster/local/aws/prices.json from the catalog: the emulated services import nothing of dlcluster.

Run it after a change of the catalog's prices: `.venv/bin/python scripts/bake_prices.py`.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

ROOT = Path(__file__).parent.parent / "dlcluster"


def main() -> None:
    prices: dict[str, dict[str, list[float | None]]] = {}
    with (ROOT / "catalog/data/prices.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            pair = [_number(row["on_demand_usd_hour"]), _number(row["spot_usd_hour"])]
            prices.setdefault(row["region"], {})[row["instance_type"]] = pair
    text = ",\n".join(f'"{region}": {_lines(kinds)}' for region, kinds in sorted(prices.items()))
    (ROOT / "local/aws/prices.json").write_text(f"{{\n{text}\n}}\n")


def _lines(kinds: dict[str, list[float | None]]) -> str:
    return "{\n" + ",\n".join(f'"{kind}": {json.dumps(pair)}' for kind, pair in sorted(kinds.items())) + "\n}"


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


if __name__ == "__main__":
    main()
