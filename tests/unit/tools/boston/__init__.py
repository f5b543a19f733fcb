"""The oracle from outside: a city's requests under our rules."""
