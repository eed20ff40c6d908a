"""The test-kit for plugin authors: tiny models, a small paged cache, and one exam for each kind of plugin.

Needs the extra ``testing``. ``tiny`` and ``paged`` are ordinary modules; ``conformance`` holds the test classes that a
plugin's own tests subclass; the fixtures of ``pytest_plugin`` are there wherever pytest runs.
"""
