"""The ``cache`` command."""
