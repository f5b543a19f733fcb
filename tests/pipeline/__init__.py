"""Journeys of reports through all nine stages, in memory, on a fake clock: weeks in a blink."""
