"""Settings of an audit: options, pyproject.toml, selection of rules, paths of data."""
