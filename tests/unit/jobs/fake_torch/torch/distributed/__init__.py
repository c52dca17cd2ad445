"""Stands for torch where torch is not the point: a store that only keeps its port open."""


class TCPStore:
    def __init__(self, host, port, *args, **options):
        self.host, self.port = host, port
