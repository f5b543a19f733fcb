"""What any process needs of its machine: settings, clock, log lines, PostgreSQL."""
