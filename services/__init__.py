"""The stages, one room each, the same five files in every room."""
