"""The registry's data: institutions, units, directories, policy and calendars, edited by operators.

`shared.registry.load()` reads and checks these files; README.md says what each holds.
"""
