"""Models that are already on this machine."""
