"""The description of all routes as a page that loads nothing from anywhere else."""
