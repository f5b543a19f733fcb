"""The stages, one room each.

In every room `app.py` composes the stage, `store.py` says how its cases lie in its table, and
`migrations/` adds to that table. The decisions stand in `rules.py`, or in one module for each of
the two stages that share the room; most rooms have a `case.py`: what the stage knows of a report.
"""
