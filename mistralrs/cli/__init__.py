"""The command line: the root command, its console, and the options that front ends share."""
