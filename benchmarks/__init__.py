"""Measurements of this project's own parts. Each module is a command: ``python -m benchmarks.<name> --help``."""
