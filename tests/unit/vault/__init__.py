"""Unit tests of vault."""
