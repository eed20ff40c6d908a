"""Other engines, each in an environment of its own: one module each, with a class ``Engine``, run by ``worker.py``."""
