"""Saved models read without a framework."""
