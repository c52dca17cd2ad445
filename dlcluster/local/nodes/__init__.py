"""Emulated nodes: per EC2 instance a directory, an init process, an SSH server and a metadata endpoint."""
