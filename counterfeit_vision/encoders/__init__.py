"""Photos to vectors and patch tokens.

``base.py`` says what an encoder is, ``clip.py`` and ``convnet.py`` build the two families, ``runtime.py`` runs them.
"""

from .base import Encoder
from .load import load_encoder

__all__ = ["Encoder", "load_encoder"]
