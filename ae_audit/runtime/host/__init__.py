"""Running somebody else's program: its script, imports, artefacts, deadline."""
