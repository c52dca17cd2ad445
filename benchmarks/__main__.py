"""Run benchmarks by name (default: all) and write one table each to benchmarks/results/."""

from __future__ import annotations

import sys

from benchmarks import control_plane, data_speed, emulator, engine_speed, numpy_speed

ALL = {
    "control_plane": control_plane.main,
    "data": data_speed.main,
    "emulator": emulator.main,
    "engine": engine_speed.main,
    "numpy": numpy_speed.main,
    "numpy_calls": numpy_speed.main_calls,
}


def main() -> int:
    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names:
        ALL[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
