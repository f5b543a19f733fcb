"""Standard output and standard error: results, progress, errors, escaping."""
