"""Facts measured on arrays: summaries, relations, divergences, activations of unknown make."""
