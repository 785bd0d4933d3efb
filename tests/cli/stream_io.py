"""Tensor streams in Python, as little of st(5) as a filter needs: its own
library, and the two C libraries that the format rests on."""
import ctypes
import struct
import sys

XX = ctypes.CDLL("libxxhash.so.0")
ZS = ctypes.CDLL("libzstd.so.1")
XX.XXH3_64bits.restype = ctypes.c_uint64
ZS.ZSTD_decompress.restype = ctypes.c_size_t
Wide = type("Wide", (ctypes.Structure,),
            {"_fields_": [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]})
XX.XXH3_128bits.restype = Wide
SIZE = ctypes.c_size_t
CHUNK, PREFIX = 1 << 22, "<II4sIQQQHBBI"


def hash64(b):
    return XX.XXH3_64bits(bytes(b), SIZE(len(b)))


def records(f):
    """(type, header, payload, packed, filter, all bytes) of each record."""
    while prefix := f.read(48):
        _, size, typ, h, n, _, _, packed, _, filt, check = \
            struct.unpack(PREFIX, prefix)
        if check != hash64(prefix[:44]) & 0xffffffff:
            sys.exit("not a tensor stream")
        rest = f.read(size - 40 + (n if packed else 0))
        payload = rest[len(rest) - n:]
        if len(rest) != size - 40 + (n if packed else 0) or typ == b"ABRT":
            sys.exit("the input was cut off")
        yield typ, rest[:h], payload, packed, filt, prefix + rest


def decode(payload, packed, filt, n):
    """A chunk's bytes: out of zstd, and out of planes."""
    if packed:
        out = ctypes.create_string_buffer(n)
        if ZS.ZSTD_decompress(out, SIZE(n), payload, SIZE(len(payload))) != n:
            sys.exit("a chunk cannot be decoded")
        payload = out.raw
    if filt:
        out = bytearray(n)
        for i in range(filt):
            out[filt - 1 - i::filt] = payload[i * (n // filt):(i + 1) * (n // filt)]
        payload = bytes(out)
    return payload


def unpack(b, p=0):
    """A value of st(5)'s MessagePack, and where it ends."""
    t, p = b[p], p + 1
    if t < 0x80 or t >= 0xe0:
        return t if t < 0x80 else t - 256, p
    if t in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[t], p
    fmt = {0xcb: "d", 0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q", 0xd0: "b",
           0xd1: "h", 0xd2: "i", 0xd3: "q"}.get(t)
    if fmt:
        return struct.unpack_from(">" + fmt, b, p)[0], p + struct.calcsize(fmt)
    short = t < 0xc0
    n = t & (31 if 0xa0 <= t else 15)
    if not short:
        fmt = "H" if t >= 0xdc else "BHI"[(t - 0xc4) % 21]
        n = struct.unpack_from(">" + fmt, b, p)[0]
        p += struct.calcsize(fmt)
    if 0xc4 <= t <= 0xc6:
        return bytes(b[p:p + n]), p + n
    if 0xd9 <= t <= 0xdb or short and t >= 0xa0:
        return bytes(b[p:p + n]).decode(), p + n
    out = []
    for _ in range(n * (2 if t == 0xde or short and t < 0x90 else 1)):
        v, p = unpack(b, p)
        out.append(v)
    table = t == 0xde or short and t < 0x90
    return dict(zip(out[::2], out[1::2])) if table else out, p


def head(n, short, most, *wide):
    """The first bytes of something with n parts, in their shortest form."""
    if n <= most:
        return bytes([short + n])
    fmt, code = next(w for w in wide if n < 1 << 8 * struct.calcsize(w[0]))
    return bytes([code]) + struct.pack(">" + fmt, n)


def pack(v):
    if isinstance(v, bool) or v is None:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[v]
    if isinstance(v, float):
        return b"\xcb" + struct.pack(">d", v)
    if isinstance(v, int):
        return head(v, 0, 127, ("B", 0xcc), ("H", 0xcd), ("I", 0xce), ("Q", 0xcf))
    if isinstance(v, bytes):
        return head(len(v), 0, -1, ("B", 0xc4), ("H", 0xc5), ("I", 0xc6)) + v
    if isinstance(v, str):
        b = v.encode()
        return head(len(b), 0xa0, 31, ("B", 0xd9), ("H", 0xda), ("I", 0xdb)) + b
    if isinstance(v, list):
        return head(len(v), 0x90, 15, ("H", 0xdc)) + b"".join(map(pack, v))
    return head(len(v), 0x80, 15, ("H", 0xde)) + b"".join(
        pack(k) + pack(v[k]) for k in sorted(v, key=str.encode))


class Out:
    """The stream that is written: sizes, counts and digests as it goes."""

    def __init__(self):
        self.at = self.records = self.tensors = 0
        self.prefixes, self.content = [], []

    def put(self, typ, header, payload=b"", packed=0, filt=0, whole=0):
        raw = 0 if packed else len(payload)
        pad = whole - 48 - len(header) if whole else \
            -(self.at + 48 + len(header)) % 64 if raw else 0
        p = struct.pack(PREFIX[:-1], 0x184d2a5c, 40 + len(header) + pad + raw,
                        typ, len(header), len(payload),
                        hash64(payload) if payload else 0, hash64(header),
                        packed, 6 if raw else 0, filt)
        p += struct.pack("<I", hash64(p) & 0xffffffff)
        sys.stdout.buffer.write(p + header + bytes(pad) + payload)
        self.at += 48 + len(header) + pad + len(payload)
        self.records += 1
        self.tensors += typ == b"TENS"
        self.prefixes.append(p)
        if typ in (b"HEAD", b"META", b"TENS", b"CHNK", b"BTCH"):
            self.content.append(typ + struct.pack("<I", len(header)) + header)

    def tensor(self, header, parts):
        self.put(b"TENS", pack(header))
        for i, b in enumerate(parts):
            for o in range(0, len(b), CHUNK):
                c = b[o:o + CHUNK]
                self.put(b"CHNK", pack({"n": len(c), "o": o, "p": i,
                                        "x": hash64(c)}), c)

    def end(self, source, tool, params):
        self.put(b"prov", pack({"in": [{"content": source.hex(), "kind": "base"}],
                                "params": params, "tool": tool, "ver": "1"}))
        self.put(b"padd", b"", whole=48 + -(self.at + 48) % 64)
        content = b"".join(self.content)
        x = XX.XXH3_128bits(content, SIZE(len(content)))
        self.put(b"ENDS", pack({"bytes": self.at + 256, "records": self.records,
                                "content": struct.pack(">QQ", x.high, x.low),
                                "stream": hash64(b"".join(self.prefixes)),
                                "tensors": self.tensors}), whole=256)
