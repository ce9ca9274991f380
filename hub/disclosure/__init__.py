"""The one door out: who may know which field of what, and why.

``question`` holds what is asked, ``rules`` reads the Cedar files, ``engine`` answers, ``step`` decides a whole
report, ``columns`` strips what was not granted, ``secret_body`` marks what leaves, ``explain`` says why in words.
Nothing here stores or sends anything.
"""
