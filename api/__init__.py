"""HTTP only: translates between the wire and :mod:`hub`, decides nothing."""
