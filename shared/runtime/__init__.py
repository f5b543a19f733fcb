"""The process around a rule: reads, decides, saves, publishes; each fact exactly once."""
