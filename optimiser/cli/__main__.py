"""`python -m optimiser.cli` is `optimiser`."""

import sys

from optimiser.cli import main

sys.exit(main())
