"""Nearest vectors and nearest patch tokens.

``base.py`` says what an index is; ``faiss.py`` is the default, ``exact.py`` the torch reference; ``late.py`` compares
patch tokens, which ``tokens.py`` packs.
"""
