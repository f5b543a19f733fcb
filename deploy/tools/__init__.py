"""Research and preparation: training, derived data, other cities judged by our rules."""
