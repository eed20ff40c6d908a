"""Ways to keep weights in fewer bits."""
