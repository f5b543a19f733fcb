"""Counts what the streams and the tables of a pipeline say, and finds what should not be.

A program of its own: it reads with plain clients and knows the pipeline only by its documents (the
names of topics and events, the columns of the tables, who reads what). It shares no code with what
it checks.
"""
