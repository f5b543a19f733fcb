"""Explains and verifies deadlines for the command line; reads only, no stage loads it."""
