"""Senders as nobody promised them: record batches byte by byte, sent as a raw Produce request."""
