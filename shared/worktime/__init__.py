"""Working days and opening hours as precomputed arithmetic. Pure."""
