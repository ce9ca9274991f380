"""The one error for a sealed value that does not open as what it claims to be."""

from hub.errors import KessetsuError


class Tampered(KessetsuError):
    """A sealed value was changed, cut, reordered, or belongs to another object, owner or deadline.

    Which of these is not told: authenticated encryption does not know, and a guess would help an attacker.
    """

    code = "tampered"
