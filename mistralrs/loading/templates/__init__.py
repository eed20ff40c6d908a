"""Renders chat templates: untrusted Jinja from model files, in a sandboxed process that can be stopped."""
