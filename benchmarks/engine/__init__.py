"""The contenders of benchmarks/engine_speed.py, one file each; each runs in a process and an environment of its own."""
