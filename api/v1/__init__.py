"""Members' REST API, version 1."""
