"""A brand's marks: found, laid over the genuine ones, and looked at.

``finding.py`` finds them and lays them over the genuine ones, all in one frame, ``relief.py`` also those without ink;
``alone.py`` lays each by itself. ``details.py``, ``ink.py`` and ``layout.py`` say where they differ: close up, in
strokes and colours, in how they lie to each other. ``library.py`` tells whose they are. ``regions.py`` finds them on
references that come without boxes, ``outlines.py`` each whole.
"""
