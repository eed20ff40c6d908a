"""Starts new plugins: a distribution that installs, lists and passes its own tests, or a folder of a built-in."""
