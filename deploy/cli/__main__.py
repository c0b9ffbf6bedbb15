"""``python -m deploy.cli``: the command `straitwatch` where its script is not on the PATH."""

from deploy.cli.main import main

main()
