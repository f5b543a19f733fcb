"""The simulated outside world: channels, institutions, officers, reporters; public topics only."""
