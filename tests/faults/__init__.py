"""The proof of "nothing lost, nothing doubled": faults on the real local stack, and a checker."""
