"""`python -m lpie` is the `lpie` command."""

from lpie.cli.main import main

main()
