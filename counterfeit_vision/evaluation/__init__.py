"""How good an inspector is on labelled listings: who was accused wrongly, what was found, and how sure that is.

``run.py`` judges a labelled file, one row a listing; everything else is worked out from these rows, so that a saved run
can be read back and compared with another: ``figures.py`` says what each figure is, ``result.py`` gathers, compares and
keeps them, ``charts.py`` draws them, ``confidence.py`` says which answers are the surer ones.
"""

from .figures import Estimate, Judged
from .result import Comparison, Evaluation, Line
from .run import evaluate, labelled_rows

__all__ = ["Comparison", "Estimate", "Evaluation", "Judged", "Line", "evaluate", "labelled_rows"]
