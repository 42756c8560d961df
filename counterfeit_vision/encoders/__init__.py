"""Photos to vectors and patch tokens.

``base.py`` says what an encoder is; ``load.py`` makes one by name. ``clip.py`` and ``convnet.py`` build the two
families' networks, ``transformer.py`` is the forward pass of the first, ``runtime.py`` runs both.
"""

from .base import Encoder
from .load import load_encoder

__all__ = ["Encoder", "load_encoder"]
