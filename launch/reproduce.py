"""The Python half of launch/reproduce.sh, for an environment that is installed already."""

import sys

from jaxrl.errors import UserError
from jaxrl.sweeps.study import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"reproduce: error: {error}", file=sys.stderr)
        sys.exit(2)
