"""Guarantees on the real broker and database."""
