"""``python -m counterfeit_vision`` is the command line."""

import sys

from .cli import main

sys.exit(main())
