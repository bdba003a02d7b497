"""`python -m flows` is the command line too."""

from flows.cli import main

main()
