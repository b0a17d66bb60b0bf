"""The command line: parse, call the core, hand the result to one writer."""
