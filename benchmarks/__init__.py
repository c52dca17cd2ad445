"""What the README claims, re-runnable: `make bench`, or `python -m benchmarks NAME...`."""
