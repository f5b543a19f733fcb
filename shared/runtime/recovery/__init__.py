"""After a database was restored or lost: decide again, and compare with what was published."""
