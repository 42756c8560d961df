"""How one picture lies over another.

``keypoints.py`` finds the plane that two photos share, ``laying.py`` lays one over the other, by the smooth maps of
``warp.py``; ``local_correlation.py`` and ``bending.py`` say how alike they then are, and whether they are the same
photo. ``registration.py`` lays one over the other patch by patch, where there are no marks.
"""
