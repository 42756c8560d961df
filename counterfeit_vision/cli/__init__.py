"""The command line: ``counterfeit-vision demo | catalog | calibrate | inspect | evaluate | feedback | drift | bench |
models``.

``parser.py`` says what can be typed, ``commands.py``, ``demo.py`` and ``bench.py`` do it, with what they share in
``common.py`` and ``stages.py``; ``output.py`` prints it, ``run.py`` gives the exit code. Results go to stdout, progress
and notes to stderr. Nothing heavy is imported before a command runs, so ``--help`` answers at once.
"""

from .parser import make_parser
from .run import main

__all__ = ["main", "make_parser"]
