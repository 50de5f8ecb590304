"""Packs the samples of a sensor into small frames."""

from ._native import built_for, pack, unpack, zlib_version

__all__ = ["Series", "built_for", "pack", "unpack", "zlib_version"]


class Series:
    """Samples that come in one by one and leave as frames of a fixed length."""

    def __init__(self, length=256):
        if length < 1:
            raise ValueError("a frame has at least one sample")
        self.length = length
        self.frames = []
        self._open = []

    def add(self, sample):
        """Takes one more sample; a full frame is packed at once."""
        self._open.append(sample)
        if len(self._open) == self.length:
            self.close()

    def close(self):
        """Packs what is left."""
        if self._open:
            self.frames.append(pack(self._open))
            self._open = []

    def __iter__(self):
        for frame in self.frames:
            yield from unpack(frame)
        yield from self._open
