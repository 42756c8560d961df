"""The reference catalogue: genuine photos -> the nearest of them for any photo.

Global vectors, centred on the catalogue's mean, give a short list through an index; patch tokens put it in order.

In reading order: ``references`` (the table), ``catalog`` (build, search, save), ``retrieval`` and ``late_interaction``
(how alike), ``base``, ``faiss`` and ``exact`` (indexes), ``tokens`` (compressed patches), ``neighbours``, ``names``,
``store`` (the folder), ``audit`` and ``summary`` (labels that look wrong, counts).
"""
