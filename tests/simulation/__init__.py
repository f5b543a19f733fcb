"""The real shell over an in-memory log and state."""
