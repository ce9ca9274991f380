"""Delivery: parcels, the inbox they are read from, acknowledgement, outcomes and recall."""
