"""Scores of genuine photos -> p-values and a probability. Plain arrays, no pixels.

An (N, H) table of the heads' scores is standardised, fused to one number a photo, and ranked among genuine photos that
nothing was fitted on (split conformal prediction): at most a share alpha of genuine listings is called suspected.

In reading order: ``split`` (how many photos are needed), ``standardize``, ``fusion`` (e-values), ``conformal`` (ranks),
``support`` (the quality that calibrated), ``probability`` (with labelled fakes), ``calibrator`` (all of it), ``drift``.
"""
