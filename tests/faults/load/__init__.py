"""Seeded lives of reports, acted out by simulated channels, institutions and reporters."""
