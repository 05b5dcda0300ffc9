"""Confinement of the child process: policy, kernel, launch, channel."""
