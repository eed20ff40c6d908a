"""Absmax, a quantization plugin of mistralrs."""
