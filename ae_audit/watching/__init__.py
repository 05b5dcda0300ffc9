"""Watching a real training: ``ae_audit.watch`` and what follows Keras and torch for it."""
