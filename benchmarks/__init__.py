"""What the engine costs and how well it reads, measured: `python -m benchmarks.NAME` runs one measurement."""
