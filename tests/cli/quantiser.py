#!/usr/bin/env python3
"""A quantiser that Weft does not know: base stream in, base stream out.

  st-import model | quantiser.py book 3 | peft-step -r 8 -d data.jsonl > a.st

It writes the stream's general descriptions, which every program decodes:
"book", a code book of 2^bits values that it learns for each tensor, under a
scale for 32 weights; or "int", scale (code - zero).
"""
import bisect
import struct
import sys
from array import array

from stream_io import Out, decode, records, unpack

GROUP = 32


def floats(raw, dtype):
    if dtype == "bf16":
        raw = array("I", (x << 16 for x in array("H", raw))).tobytes()
    if dtype == "f16":
        return [x for x, in struct.iter_unpack("<e", raw)]
    return array("f", raw)


def f16(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def pack_codes(codes, bits):
    """From the high bits of a byte down."""
    out, acc, have = bytearray(), 0, 0
    for c in codes:
        acc, have = acc << bits | c, have + bits
        while have >= 8:
            have -= 8
            out.append(acc >> have)
            acc &= (1 << have) - 1
    if have:
        out.append(acc << (8 - have))
    return bytes(out)


def learn(values, bits):
    """Lloyd's book: begin with quantiles, then means of what is nearest."""
    values, n = sorted(values), 1 << bits
    book = [values[(2 * i + 1) * len(values) // (2 * n)] for i in range(n)]
    for _ in range(8):
        cut = [0] + [bisect.bisect(values, (a + b) / 2)
                     for a, b in zip(book, book[1:])] + [len(values)]
        book = [sum(values[a:b]) / (b - a) if b > a else old
                for a, b, old in zip(cut, cut[1:], book)]
    return book


def by_book(w, bits):
    scales = [f16(max(map(abs, w[i:i + GROUP])) or 1)
              for i in range(0, len(w), GROUP)]
    v = [x / scales[i // GROUP] for i, x in enumerate(w)]
    book = learn(v[::1 + len(v) // 20000], bits)
    ends = [(a + b) / 2 for a, b in zip(book, book[1:])]
    enc = {"bits": bits, "block": GROUP, "book": book, "q": "book",
           "scale": {"dtype": "f16", "q": "raw"}}
    return enc, [("scale", "f16", struct.pack(f"<{len(scales)}e", *scales))], \
        [bisect.bisect_left(ends, x) for x in v]


def by_int(w, bits):
    scales, zeros, codes = array("f"), array("f"), []
    for i in range(0, len(w), GROUP):
        g = w[i:i + GROUP]
        scale = (max(g) - min(g)) / ((1 << bits) - 1) or 1
        scales.append(scale)
        zeros.append(-min(g) / scale)
        codes += [round((x - min(g)) / scale) for x in g]
    raw = {"dtype": "f32", "q": "raw"}
    return {"bits": bits, "block": GROUP, "q": "int", "scale": raw, "zero": raw}, \
        [("scale", "f32", scales.tobytes()), ("zero", "f32", zeros.tobytes())], codes


def quantise(out, header, raw, method, bits):
    enc, parts, codes = method(floats(raw, header["dtype"]), bits)
    groups = -(-len(codes) // GROUP)
    header["enc"] = enc
    header["parts"] = [[name, dtype, groups] for name, dtype, _ in parts] + \
        [["codes", f"u{bits}", len(codes)]]
    out.tensor(header, [b for _, _, b in parts] + [pack_codes(codes, bits)])


def main(how, bits):
    method = {"book": by_book, "int": by_int}[how]
    out, tensor, raw, ours = None, None, b"", 0
    for typ, head, payload, packed, filt, all_of_it in records(sys.stdin.buffer):
        header = unpack(head)[0] if head else {}
        if typ == b"HEAD":
            ours, out = header["kind"] == "base", Out()
        if not ours:  # somebody else's stream: as it came
            sys.stdout.buffer.write(all_of_it)
            continue
        if typ == b"TENS":
            tensor = header if header.get("role") == "linear" else None
            raw = b""
            if tensor and "enc" in tensor:
                sys.exit(tensor["name"] + " is quantised already")
        if typ == b"CHNK" and tensor:
            raw += decode(payload, packed, filt, header["n"])
            size = {"f32": 4}.get(tensor["dtype"], 2)
            for n in tensor["shape"]:
                size *= n
            if len(raw) == size:
                quantise(out, tensor, raw, method, bits)
        elif typ == b"ENDS":
            out.end(header["content"], "quantiser.py",
                    {"bits": str(bits), "method": how})
        elif typ != b"padd" and not (typ == b"TENS" and tensor):
            out.put(typ, head, payload, packed, filt)


main(sys.argv[1], int(sys.argv[2]))
