"""The ways in and the ways to run: command line, local stack, registry data, images."""
