"""The command line: a thin root whose commands are front-end plugins, found by entry point and imported when run."""
