"""Working-time arithmetic, as `lapor deadline compute` does it."""
