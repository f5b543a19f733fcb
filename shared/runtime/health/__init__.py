"""What watches a running process: does it consume, are all topics read, what it shows over HTTP."""
