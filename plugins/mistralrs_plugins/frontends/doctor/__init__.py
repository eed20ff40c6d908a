"""``mistralrs doctor``: what this machine has to offer, and what is wrong with the installation."""
