#!/usr/bin/env bats
# agent_peers.bats - page-agent and who speaks to it otherwise than our programs
# do; and our programs before one that is no agent of ours
bats_require_minimum_version 1.5.0
load agent.sh

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -u -o "$T/base.st" "$model"
	"$BIN/peft-step" $(options) -n 2 -o "$T/whole" "$T/base.st"
}

# Python with a Peer; what it says, and $S and $T/base.st, are its arguments.
peers() {
	PYTHONPATH=tests/cli PYTHONDONTWRITEBYTECODE=1 \
		timeout 100 python3 - "$S" "$T/base.st" "$@" 3>&-
}

@test "the memory that is lent cannot be written to, nor made shorter or longer" {
	serve -m 8M
	peers << 'END'
import fcntl, mmap, os, sys
from agent_peer import Peer
p = Peer(sys.argv[1])
p.hello(), p.open(sys.argv[2])
at = p.get(0)["at"][0] << 20
SHRINK, GROW, SEAL, FUTURE_WRITE = 2, 4, 1, 16
seals = fcntl.fcntl(p.arena, 1034) # F_GET_SEALS
assert seals & (SHRINK | GROW | SEAL | FUTURE_WRITE) == 23, seals
again = os.open("/proc/self/fd/%d" % p.arena, os.O_RDWR)
mine = mmap.mmap(p.arena, 4096, prot=mmap.PROT_READ, offset=at)
before = mine[:]
for fd in p.arena, again:
    for attempt in (lambda: os.ftruncate(fd, 4096),
            lambda: os.ftruncate(fd, 1 << 30),
            lambda: os.pwrite(fd, b"X" * 4096, at),
            lambda: mmap.mmap(fd, 4096, offset=at),
            lambda: fcntl.fcntl(fd, 1033, 8)):
        try:
            attempt()
        except (PermissionError, OSError):
            continue
        sys.exit("it can be changed")
assert before == mine[:] and any(before)
END
	train -n 2 -o "$T/out" "$T/base.st"
	cmp "$T/out" "$T/whole"
}

# Of 8 blocks each of two clients may have 4; a page here is one block.
@test "a client gets no more than its part, and others go on" {
	serve -m 8M --clients 2
	peers << 'END'
import sys
from agent_peer import Peer
a, b = Peer(sys.argv[1]), Peer(sys.argv[1])
for p in a, b:
    assert p.hello()["quota"] == 4 << 20
    assert p.open(sys.argv[2])["pages"] > 12
for page in range(4):
    assert "at" in a.get(page)
for page in 4, 0: # also of one that it has already
    assert a.get(page) == {"code": 71, "error":
        "more than this client's part of the arena"}
for page in range(8, 12): # the other has its own
    assert "at" in b.get(page)
assert b.get(12)["code"] == 71
assert a.put(2) == {} and "at" in a.get(12) and a.get(2)["code"] == 71
for page in 2, 99: # not had; not there
    assert a.put(page)["code"] == 65
END
	status -e '.pinned == 0 and .used <= .memory and .evictions > 0'
	train -n 2 -o "$T/out" "$T/base.st"
	cmp "$T/out" "$T/whole"
}

@test "a client may have several bases, of more pages and of fewer" {
	local small=tests/golden/A/gpt2/model
	"$BIN/st-import" -u -o "$T/small.st" "$small"
	serve -m 4M --clients 1
	peers "$T/small.st" << 'END'
import sys
from agent_peer import Peer
p = Peer(sys.argv[1])
p.hello()
n = [p.open(path)["pages"] for path in (sys.argv[3], sys.argv[2])]
assert n[0] != n[1]
for turn in range(2):
    for space in 0, 1:
        for page in range(n[space]):
            at = p.ask("get", page=page, space=space)
            assert "at" in at, at
            assert p.ask("put", next=page + 9, now=page, page=page,
                space=space) == {}
END
	status -e '.evictions > 10 and .pinned == 0'
}

@test "who greets otherwise is told, or hung up on, and others go on" {
	serve -m 16M --clients 9
	peers << 'END'
import sys
from agent_peer import VERSION, Peer, encode
def ends(packet):
    p = Peer(sys.argv[1])
    p.send(packet)
    assert p.answer() is None, packet
p = Peer(sys.argv[1]) # another version, an older one, none
for v in {"v": VERSION + 1}, {"v": VERSION - 1}, {}, {"v": "2"}:
    p = Peer(sys.argv[1])
    assert p.ask("hello", **v) == {"code": 69,
        "error": f"the agent speaks version {VERSION}"}
    assert p.answer() is None
hello = encode({"do": "hello", "v": VERSION})
for n in range(1, len(hello)): # too short
    ends(hello[:n])
ends(hello + b"\x00") # too long, another language
ends(b"GET / HTTP/1.1\r\n\r\n")
ends(b"\xc1" + hello[1:])
ends(b"\x82\xa1v\x02\xa2do\xa5hello") # keys out of order
p = Peer(sys.argv[1]) # nothing without a greeting
for do in "open", "get", "put", "bye":
    assert p.ask(do, page=0, space=0)["code"] == 65
assert "quota" in p.hello() and p.get(0)["code"] == 65
END
	status -e '.clients == 0 and .pinned == 0'
	train -n 2 -o "$T/out" "$T/base.st"
	cmp "$T/out" "$T/whole"
}

# Answers a greeting with these bytes, with a file beside them if FILE is 1.
false_agent() { # BYTES FILE
	peers "$1" "$2" << 'END' &
import socket, sys
bytes, file = eval(sys.argv[3]), int(sys.argv[4])
l = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
l.bind(sys.argv[1])
l.listen()
c = l.accept()[0]
c.recv(70000)
with open(sys.argv[2], "rb") as f:
    socket.send_fds(c, [bytes], [f.fileno()] if file else [])
c.recv(70000)
END
	false=$!
	for try in $(seq 100); do
		[ ! -S "$S" ] || break
		sleep 0.1
	done
}

@test "an agent that greets otherwise is none of ours" {
	local said
	refused() { # WORDS BYTES FILE
		rm -f "$S"
		false_agent "$2" "$3"
		run -69 train -n 2 -o "$T/out" "$T/base.st"
		[[ $output == *"$1" ]]
		[ "${#lines[@]}" = 1 ]
		wait "$false"
	}
	said='b"\x82\xa4code\x45\xa5error\xbathe agent speaks version 4"'
	refused "the agent speaks version 4" "$said" 0
	refused "no agent of ours" 'b"\x80"' 1
	refused "no agent of ours" 'b"\x81\xa5block\xce\0\x10\0\0"' 0
	refused "no agent of ours" 'b"\x81\xa5block\xcd\x0f\xff"' 1
	# Nothing that can be read is an agent that is gone.
	rm -f "$S"
	false_agent 'b"\xc1\xff"' 0
	train -n 2 -o "$T/out" "$T/base.st" 2> "$T/said"
	grep -q "$gone" "$T/said"
	cmp "$T/out" "$T/whole"
}
