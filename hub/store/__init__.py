"""Tables, repositories and the unit of work: the only package that knows SQL.

Everything the steps need of storage is a protocol beside the step; the classes here implement them on
PostgreSQL. Nothing outside opens, commits or rolls back a transaction: :class:`hub.store.unit.Store` does.
"""
