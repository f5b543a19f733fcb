"""Values as people read them. Pure."""
