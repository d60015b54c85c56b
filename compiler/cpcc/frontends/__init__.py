"""Front ends: one file per model format, each returning a float Graph."""
