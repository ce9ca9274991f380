"""Plain ways to do a part of the hub's work, each a program of its own that is told a file and answers with a time."""
