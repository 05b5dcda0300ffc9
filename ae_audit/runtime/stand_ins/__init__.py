"""Made-up data in place of data sets and files that are not on this machine."""
