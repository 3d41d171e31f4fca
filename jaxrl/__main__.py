"""`python -m jaxrl` and the `jaxrl` command."""

import sys

from jaxrl.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
