"""One module for each group of commands: arguments in, clients and model called, a view printed."""
