"""Every rule, by tables and properties; no broker, no database, no mocks."""
