"""The engine as a Python object, and the requests every front end validates in one place."""
