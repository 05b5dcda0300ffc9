"""Running programs in a sandbox, and live objects: captures of real training setups."""
