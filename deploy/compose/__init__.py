"""What the stack with Docker needs beside `docker-compose.yml`."""
