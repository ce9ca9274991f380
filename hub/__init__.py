"""Kessetsu's domain: what the hub knows and decides. No HTTP in it.

Read :mod:`hub.flow` first: it is the whole story on one screen.
"""
