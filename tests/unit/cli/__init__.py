"""The ways in, without a broker."""
