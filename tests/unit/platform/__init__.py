"""Unit tests of platform."""
