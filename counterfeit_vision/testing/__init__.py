"""What a plug-in must pass, in the style of scikit-learn's ``check_estimator``.

Each check takes the object, or what makes it, and raises :class:`AssertionError` with the promise that is broken. The
library's own parts pass the same checks. In a plug-in's tests::

    from counterfeit_vision.testing import check_encoder, check_head, check_index

    def test_my_encoder_keeps_the_contract():
        check_encoder(MyEncoder())

    def test_my_index_keeps_the_contract():
        check_index(MyIndex)

    def test_my_head_keeps_the_contract(catalog, photos):
        check_head(MyHead(), catalog, photos)
"""

from __future__ import annotations

from .encoders import check_encoder
from .heads import check_head
from .indexes import check_index

__all__ = ["check_encoder", "check_head", "check_index"]
