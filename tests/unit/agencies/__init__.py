"""Tests of the gateways of institutions."""
