"""What the stages exchange: training set-ups, findings, remedies, the report, and their JSON."""
