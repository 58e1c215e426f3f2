"""The command line: one file per command, each only options, calls and printing."""
