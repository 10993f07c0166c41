"""Fetching challenge data from its owners into a raw folder."""
