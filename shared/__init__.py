"""What every stage shares: events, streams, the shell, the parts around it."""
