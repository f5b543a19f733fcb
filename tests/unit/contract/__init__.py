"""Unit tests of contract."""
