"""What everything else stands on: records, errors, progress, the version. Standard library alone."""
