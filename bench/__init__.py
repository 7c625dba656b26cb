"""Benchmarks. Results are ratios to a baseline of the same run, because absolute figures vary with the machine."""
