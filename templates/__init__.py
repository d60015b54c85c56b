"""Jinja templates of the generated C project; package data only."""
