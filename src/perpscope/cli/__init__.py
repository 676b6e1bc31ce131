"""The command line. Data goes to stdout, talk to stderr; `--json` prints one object on one line."""
