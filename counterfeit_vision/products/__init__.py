"""A product's side that shows its marks: ``whole.py`` lays photos over it, ``differences.py`` says where they differ,
and ``marks.py`` is all that its genuine references tell of it and of its marks.
"""
