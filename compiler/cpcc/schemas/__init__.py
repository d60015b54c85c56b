"""JSON Schemas of the --json outputs."""
