"""What commands work with: values put together from streams, tables and files."""
