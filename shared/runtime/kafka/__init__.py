"""The Kafka client of a stage: bounded fetches, a fair share for each partition, one producer."""
