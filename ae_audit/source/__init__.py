"""Source text: files and notebooks as text, their cells and offsets, edits, fingerprints, the project's root."""
