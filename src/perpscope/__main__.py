"""`python -m perpscope`."""

from perpscope.cli.main import main

main()
