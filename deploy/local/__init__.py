"""The local stack: a real Kafka and a real PostgreSQL from package registries, and every stage."""
