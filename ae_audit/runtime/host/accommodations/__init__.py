"""What a program is made to find: absent files and hosts, short loaders, one process, a CPU for a GPU."""
