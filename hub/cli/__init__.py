"""The hub operator's command line, ``kessetsu``. The commands stand here, what they do in :mod:`hub.cli.acts`."""
