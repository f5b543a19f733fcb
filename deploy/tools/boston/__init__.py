"""Boston 311: a city's requests with their targets, decided by the SLA monitor's rules.

`requests.py` reads the city's file, `targets.py` turns a target into a limit, `simulation.py` runs
the requests in order of time, `comparison.py` lays what was breached beside what the city says.
"""
