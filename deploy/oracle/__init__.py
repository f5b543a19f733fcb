"""An oracle from outside: a city's requests with their targets, decided by the SLA monitor's rules.

`requests.py` reads the city's file, `promises.py` turns a target into a limit, `clock.py` runs the
requests in order of time, `verdicts.py` lays what was breached beside what the city says.
"""
