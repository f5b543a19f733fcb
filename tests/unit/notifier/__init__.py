"""The notifier's rule, messages and delivery, without I/O."""
