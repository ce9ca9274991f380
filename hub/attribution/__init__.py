"""Attribution: in whose network a source address was, at the time it was seen."""
