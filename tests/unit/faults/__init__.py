"""Unit tests of faults."""
