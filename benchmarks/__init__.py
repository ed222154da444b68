"""Benchmarks of speed and memory, always beside peers in the same run: `neuro bench`, and connectors.py."""
