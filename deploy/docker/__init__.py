"""The image of the stages, and what the stack with Docker needs beside `docker-compose.yml`."""
