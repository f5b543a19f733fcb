"""Throughput and latency on the real parts, each beside a baseline of the same run."""
