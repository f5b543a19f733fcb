"""What crosses the wire: events, topics, headers, reason codes, tracking numbers.

Imports no other room.
"""
