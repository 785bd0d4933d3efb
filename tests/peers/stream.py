"""A second reader of tensor streams, written from st(5) alone: every hash,
every count, and tensors against what the safetensors package reads."""
import ctypes
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(__file__))
import tap

tap.need("numpy", "safetensors", "torch")
import numpy as np
import torch
from safetensors import safe_open

try:
    XX = ctypes.CDLL("libxxhash.so.0")
    ZS = ctypes.CDLL("libzstd.so.1")
except OSError as e:
    print(f"ok 1 stream.py # SKIP {e}")
    sys.exit(0)
XX.XXH3_64bits.restype = ctypes.c_uint64
XX.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
ZS.ZSTD_decompress.restype = ctypes.c_size_t
ZS.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t,
                               ctypes.c_char_p, ctypes.c_size_t]


class Wide(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


XX.XXH3_128bits.restype = Wide
XX.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def hash64(b):
    return XX.XXH3_64bits(b, len(b))


def hash128(b):
    h = XX.XXH3_128bits(b, len(b))
    return struct.pack(">QQ", h.high, h.low)


def unpack(b, p=0):
    """One MessagePack value of the profile, and where it ends."""
    t = b[p]
    p += 1

    def number(fmt):
        return struct.unpack_from(">" + fmt, b, p)[0], p + struct.calcsize(fmt)

    def text(n, p):
        return b[p:p + n].decode(), p + n

    def array(n, p):
        out = []
        for _ in range(n):
            v, p = unpack(b, p)
            out.append(v)
        return out, p

    def table(n, p):
        out, keys = {}, []
        for _ in range(n):
            k, p = unpack(b, p)
            out[k], p = unpack(b, p)
            keys.append(k.encode())
        assert keys == sorted(set(keys))
        return out, p

    if t < 0x80:
        return t, p
    if t < 0x90:
        return table(t & 15, p)
    if t < 0xa0:
        return array(t & 15, p)
    if t < 0xc0:
        return text(t & 31, p)
    if t >= 0xe0:
        return t - 256, p
    if t in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[t], p
    fixed = {0xcb: "d", 0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q",
             0xd0: "b", 0xd1: "h", 0xd2: "i", 0xd3: "q"}
    if t in fixed:
        return number(fixed[t])
    sized = {0xc4: ("B", None), 0xc5: ("H", None), 0xc6: ("I", None),
             0xd9: ("B", text), 0xda: ("H", text), 0xdb: ("I", text),
             0xdc: ("H", array), 0xde: ("H", table)}
    fmt, then = sized[t]
    n, p = number(fmt)
    return then(n, p) if then else (b[p:p + n], p + n)


def records(b, start=0):
    """(type, header, payload, packed, filter, offset) up to ENDS."""
    p = start
    while True:
        magic, f, typ, h, n, x, y, flags, align, filt, check = \
            struct.unpack_from("<II4sIQQQHBBI", b, p)
        assert magic == 0x184d2a5c
        assert check == hash64(b[p:p + 44]) & 0xffffffff
        packed = flags & 1
        assert flags == packed
        header = b[p + 48:p + 48 + h]
        assert hash64(header) == y
        body = p + 8 + f - (0 if packed else n)
        assert not any(b[p + 48 + h:body])
        payload = b[body:body + n]
        assert (hash64(payload) if n else 0) == x
        assert packed or not n or (body - start) % (1 << align) == 0
        yield typ.decode(), header, payload, packed, filt, p
        if typ == b"ENDS":
            assert body + n - p == 256
            return
        p = body + n


def decode(payload, packed, filt, n):
    if packed:
        out = ctypes.create_string_buffer(n)
        assert ZS.ZSTD_decompress(out, n, payload, len(payload)) == n
        payload = out.raw
    if filt:
        planes = np.frombuffer(payload, np.uint8).reshape(filt, -1)
        payload = planes[::-1].T.tobytes()
    return payload


def read(path):
    """{name: (TENS header, bytes)} of the first stream."""
    b = open(path, "rb").read()
    tensors, last, content, prefixes, count = {}, None, b"", b"", 0
    for typ, raw, payload, packed, filt, p in records(b):
        header = unpack(raw)[0] if raw else {}
        if typ == "ENDS":
            assert header["bytes"] == p + 256
            assert header["records"] == count
            assert header["tensors"] == len(tensors)
            assert header["stream"] == hash64(prefixes)
            assert header["content"] == hash128(content)
            return tensors
        count += 1
        prefixes += b[p:p + 48]
        if typ in ("HEAD", "META", "TENS", "CHNK", "BTCH"):
            content += typ.encode() + struct.pack("<I", len(raw)) + raw
        if typ == "TENS":
            last = header["name"]
            tensors[last] = (header, {})
        if typ == "CHNK":
            data = decode(payload, packed, filt, header["n"])
            assert len(data) == header["n"] and hash64(data) == header["x"]
            parts = tensors[last][1]
            at = parts.setdefault(header["p"], b"")
            assert len(at) == header["o"]
            parts[header["p"]] = at + data
    raise AssertionError("no ENDS")



def same_as_safetensors(stream, model):
    got = read(stream)
    names = 0
    with safe_open(os.path.join(model, "model.safetensors"), "pt") as f:
        for name in f.keys():
            want = f.get_tensor(name)
            header, parts = got[name]
            assert header["shape"] == list(want.shape)
            raw = want.contiguous().view(torch.uint8)
            assert parts[0] == raw.numpy().tobytes(), name
            names += 1
    assert names
    for name, (header, parts) in got.items():
        if header.get("role") == "blob":
            path = os.path.join(model, name.removeprefix("file/"))
            assert parts[0] == open(path, "rb").read(), name


def storage_is_complete(stream):
    coded = 0
    for header, parts in read(stream).values():
        bits = {"u4": 4, "u8": 8, "f32": 32}
        for i, (_, dtype, n) in enumerate(header.get("parts", [])):
            assert len(parts[i]) == (n * bits[dtype] + 7) // 8
            coded += 1
    assert coded


golden = os.path.join(os.path.dirname(__file__), "..", "golden", "A")
for name in ("llama", "llama_bf16", "llama_f16"):
    model = os.path.join(golden, name, "model")
    if not os.path.exists(os.path.join(model, "model.safetensors")):
        continue
    for level in (0, 1, 9):
        path = os.path.join(tap.TMP, f"{name}.{level}.st")
        tap.run("st-import", "--level", level, model, "-o", path)
        same_as_safetensors(path, model)
    tap.check(f"{name}: a second reader reads the same", True)
    quantised = os.path.join(tap.TMP, f"{name}.nf4.st")
    tap.run("quantize-nf4", path, "-o", quantised)
    storage_is_complete(quantised)
    tap.check(f"{name}: a second reader reads quantised storage", True)
tap.end()
