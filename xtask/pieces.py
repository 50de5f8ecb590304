"""Pins the blocks of a Debian package in which wanted files are.

dpkg-deb compresses in blocks that can be read one without the other, so a server that gives ranges of a file gives single
blocks. What is pinned is the hash of each range: the archive's signatures cover whole packages only.

  pieces.py DEB < PATTERNS       prints an entry for pieces.toml that has every file of the package whose name matches one of
                                 these regular expressions, one a line
"""

import hashlib
import lzma
import re
import struct
import sys

CHECK = 8  # CRC64, which ends every block


def number(data, at):
    """A number of the xz format, and where the next one begins."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def block_at(data, at):
    """What decompresses a block (The .xz File Format, 3.1), where its data begins, and where the next block does."""
    head = (data[at] + 1) * 4
    flags = data[at + 1]
    if flags != 0xC0:
        raise ValueError("a block without its sizes, or with several filters")
    size, next_ = number(data, at + 2)
    _, next_ = number(data, next_)
    name, next_ = number(data, next_)
    if name != lzma.FILTER_LZMA2:
        raise ValueError("a filter other than LZMA2")
    bits = data[next_ + 1]
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": (2 | bits & 1) << (bits // 2 + 11)}]
    decoder = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=filters)
    begin = at + head
    return decoder, begin, begin + size, begin + (size + 3) // 4 * 4 + CHECK


def decompress(data):
    """Whole blocks, the last of which may lack its end."""
    parts, at = [], 0
    while at < len(data):
        decoder, begin, end, at = block_at(data, at)
        parts.append(decoder.decompress(data[begin:end]))
    return b"".join(parts)


def is_header(block):
    if len(block) < 512 or block[257:262] != b"ustar":
        return False
    told = int(block[148:156].strip(b"\0 ") or b"0", 8)
    return told == sum(block) - sum(block[148:156]) + 8 * ord(" ")


def members(data):
    """Every member of the archive that is complete here, with the headers of its long name."""
    at = 0
    while at < len(data) and not is_header(data[at : at + 512]):
        at += 512
    first = at
    while is_header(data[at : at + 512]):
        size = int(data[at + 124 : at + 136].strip(b"\0 ") or b"0", 8)
        end = at + 512 + (size + 511) // 512 * 512
        if end > len(data):
            break
        if data[at + 156 : at + 157] not in b"LKxg":
            yield data[first:end]
            first = end
        at = end


def pin(path):
    import io
    import os
    import tarfile

    patterns = [re.compile(line.strip()) for line in sys.stdin if line.strip()]
    deb = open(path, "rb").read()
    base = 8
    while not deb[base : base + 16].startswith(b"data.tar.xz"):
        size = int(deb[base + 48 : base + 58])
        base += 60 + size + (size & 1)
    size, base = int(deb[base + 48 : base + 58]), base + 60
    stream = deb[base : base + size]
    if stream[7] != 4:
        raise ValueError("another check than CRC64")
    length = (struct.unpack("<I", stream[-8:-4])[0] + 1) * 4
    index = stream[-12 - length : -12]
    count, at = number(index, 1)
    blocks, begin, plain = [], 12, 0
    for _ in range(count):
        unpadded, at = number(index, at)
        contents, at = number(index, at)
        blocks.append((begin, (unpadded + 3) // 4 * 4, plain, contents))
        begin, plain = begin + (unpadded + 3) // 4 * 4, plain + contents
    wanted = set()
    # How far each block is needed.
    needed = [0] * count
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(stream))) as archive:
        for member in archive:
            if member.isdir() or not any(p.search(member.name) for p in patterns):
                continue
            wanted.add(member.name)
            end = member.offset_data + (member.size + 511) // 512 * 512
            for n, (_, _, plain, contents) in enumerate(blocks):
                if plain < end and plain + contents > member.offset:
                    needed[n] = max(needed[n], min(end - plain, contents))
    ranges = []
    for (begin, packed, _, contents), need in zip(blocks, needed):
        if need == 0:
            continue
        if need < contents:
            decoder, data, end, _ = block_at(stream, begin)
            got, at, step = 0, data, 1024
            while got < need:
                got += len(decoder.decompress(stream[at : min(at + step, end)]))
                at += step
            packed = min(at, end) - begin
        if ranges and sum(ranges[-1]) == begin + base:
            ranges[-1][1] += packed
        else:
            ranges.append([begin + base, packed])
    have = set()
    for at, size in ranges:
        data = b"".join(members(decompress(deb[at : at + size]))) + bytes(1024)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            have |= set(archive.getnames())
    if not wanted <= have:
        raise ValueError(f"lost: {sorted(wanted - have)[:9]}")
    name, version, arch = os.path.basename(path).removesuffix(".deb").split("_")
    print("[[package]]")
    print(f'name = "{name}"\nversion = "{version.replace("%3a", ":")}"\narch = "{arch}"')
    print(f'sha256 = "{hashlib.sha256(deb).hexdigest()}"\nranges = [')
    for at, size in ranges:
        print(f'    [{at}, {size}, "{hashlib.sha256(deb[at : at + size]).hexdigest()}"],')
    print("]")
    print(f"{name}: {len(wanted)} files, {sum(s for _, s in ranges)} of {len(deb)} bytes", file=sys.stderr)


if __name__ == "__main__":
    try:
        pin(sys.argv[1])
    except (OSError, ValueError, lzma.LZMAError) as error:
        sys.exit(str(error))
