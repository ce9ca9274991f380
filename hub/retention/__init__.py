"""Deadlines, and what happens at them: how long data may live, erasure, and the certificates that prove it."""
