"""`python -m lpie` is the `lpie` command."""

from lpie.cli import main

main()
