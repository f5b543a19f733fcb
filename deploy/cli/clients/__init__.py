"""How commands reach the outside: Kafka, PostgreSQL, JSON lines, request and reply."""
