"""What a rule is made of: cause and decision, deferred commands, terminal states. Pure."""
