"""A brand's marks: found, laid over the genuine ones, and looked at.

``stencil.py`` holds the genuine ones, laid over each other in one frame, and ``making.py`` makes it of references;
``finding.py`` finds a photo's and lays them over it, ``relief.py`` tells those without ink, and ``alone.py`` lays each
by itself. ``details.py``, ``ink.py`` and ``layout.py`` say where they differ: close up, in strokes and colours, in how
they lie to each other. ``library.py`` tells whose they are. ``regions.py`` finds them on references that come without
boxes, ``outlines.py`` each whole.
"""
