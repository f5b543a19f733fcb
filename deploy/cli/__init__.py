"""The `lapor` command: one module per group of commands, listed in `main`."""
