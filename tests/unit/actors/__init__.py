"""Unit tests of actors."""
