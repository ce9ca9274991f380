"""Intake: a push as it was sent becomes a checked envelope and checked columns, or a refusal that explains itself."""
