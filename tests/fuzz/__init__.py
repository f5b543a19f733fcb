"""A seeded fuzzer with a grammar: raw batches, headers, CloudEvents, JSON, and the HTTP pages."""
