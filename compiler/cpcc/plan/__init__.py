"""Kernel choice and memory planning."""
