"""The demonstration: a hub of its own, a marked drill on real prefixes, and the proof that it is forgotten.

``python -m hub.demo [--keep] [--size N] [--lang en|ja]``. It drives the programs a hub's operator and its
members use, ``kessetsu`` and ``kessetsu_client``; only what nobody may see is looked for on the disk itself.
"""
