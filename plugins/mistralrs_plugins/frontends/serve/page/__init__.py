"""The web page's own files, and the libraries it is made with under ``vendor``."""
