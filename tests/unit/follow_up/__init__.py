"""Unit tests of follow_up."""
