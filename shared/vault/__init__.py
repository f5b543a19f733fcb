"""Personal data: sealed with one key per report, so that destroying a key erases every copy."""
