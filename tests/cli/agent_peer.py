# agent_peer - a client of page-agent, in as much msgpack as that takes
import array, socket, struct

VERSION = 3  # WIRE_VERSION of formats/wire.h


def encode(v):
    if isinstance(v, dict):
        return bytes([0x80 | len(v)]) + b"".join(
            encode(k) + encode(v[k]) for k in sorted(v))
    if isinstance(v, str):
        return bytes([0xa0 | len(v)]) + v.encode()
    if v < 128:
        return bytes([v])
    return b"\xcc%c" % v if v < 256 else b"\xcd" + struct.pack(">H", v)


def decode(b, at=0):
    """The value at a place, and the place after it."""
    t = b[at]
    at += 1
    if t < 0x80:
        return t, at
    if t < 0x90 or t in (0xde, 0xdf):
        return decode_map(b, at, t & 15 if t < 0x90 else None)
    if t < 0xa0 or t == 0xdc:
        n = t & 15
        if t == 0xdc:
            n, at = struct.unpack_from(">H", b, at)[0], at + 2
        out = []
        for _ in range(n):
            v, at = decode(b, at)
            out.append(v)
        return out, at
    if t < 0xc0 or t in (0xd9, 0xda):
        n = t & 31
        if t == 0xd9:
            n, at = b[at], at + 1
        if t == 0xda:
            n, at = struct.unpack_from(">H", b, at)[0], at + 2
        return b[at:at + n].decode(), at + n
    size = {0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q"}[t]
    return struct.unpack_from(">" + size, b, at)[0], at + struct.calcsize(size)


def decode_map(b, at, n):
    out = {}
    if n is None:
        n, at = struct.unpack_from(">H", b, at)[0], at + 2
    for _ in range(n):
        k, at = decode(b, at)
        out[k], at = decode(b, at)
    return out, at


class Peer:
    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.settimeout(60)
        self.s.connect(path)
        self.arena = -1

    def send(self, packet, file=None):
        beside = [] if file is None else [(socket.SOL_SOCKET,
            socket.SCM_RIGHTS, array.array("i", [file]))]
        self.s.sendmsg([packet], beside)

    def answer(self):
        """The next message; None: the agent has hung up."""
        try:
            b, files, _, _ = socket.recv_fds(self.s, 70000, 1)
        except ConnectionError:
            return None
        if files:
            self.arena = files[0]
        return decode(b)[0] if b else None

    def ask(self, do, file=None, **more):
        self.send(encode({"do": do, **more}), file)
        return self.answer()

    def hello(self):
        return self.ask("hello", v=VERSION)

    def open(self, path):
        with open(path, "rb") as f:
            return self.ask("open", f.fileno())

    def get(self, page):
        return self.ask("get", page=page, space=0)

    def put(self, page):
        return self.ask("put", next=1, now=0, page=page, space=0)
