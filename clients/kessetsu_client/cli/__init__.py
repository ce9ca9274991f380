"""The command line: thin over the library, for people and for scripts."""
