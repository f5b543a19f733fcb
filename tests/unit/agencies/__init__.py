"""Tests of the doors of institutions."""
