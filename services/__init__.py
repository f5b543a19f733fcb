"""The stages, one room each, the same files in every room."""
