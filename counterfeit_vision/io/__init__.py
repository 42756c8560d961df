"""Photos and manifests in, files and folders out.

A path, bytes, image or array becomes upright RGB pixels under stated limits, or one :class:`DecodeError` that names the
file; a manifest becomes rows, or failures in their place.

In reading order: ``limits`` and ``decode`` (pixels from any file), ``jpeg``, ``colour``, ``orientation`` and ``quiet``
(its parts), ``thumbnails`` (small copies), ``manifests`` (csv, jsonl, parquet, folders), ``packing``, ``cache`` and
``memory`` (what need not be worked out again), ``files`` and ``storage`` (whole writes, folders with a checksum a
file).
"""
