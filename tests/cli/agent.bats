#!/usr/bin/env bats
# agent.bats - page-agent: the same bytes with it, without it, and when it or
# its clients end in the middle
bats_require_minimum_version 1.5.0

load agent.sh

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -u -o "$T/base.st" "$model"
	"$BIN/peft-step" $(options) -n 12 -o "$T/whole" "$T/base.st"
}

# Sets pid to the program's own, so that it is the program that is killed.
train_behind() {
	"$BIN/peft-step" $(options) --agent "$S" --page-memory 400K "$@" \
		2> "$T/said" 3>&- &
	pid=$!
}

@test "two runs at once, and one after them: the same bytes, read once" {
	local pid
	serve -m 64M
	train -n 12 -o "$T/one" "$T/base.st" &
	pid=$!
	train -n 12 -o "$T/two" "$T/base.st"
	wait "$pid"
	train -n 12 -o "$T/three" "$T/base.st"
	for out in one two three; do
		cmp "$T/$out" "$T/whole"
	done
	status .
	status -e '.bases == 1 and .loads <= 20 and .hits > 100 and
		.used <= .memory and .evictions == 0'
	"$BIN/eval" -t loss -d "$data" "$T/base.st" > "$T/plain"
	"$BIN/eval" --agent "$S" -t loss -d "$data" "$T/base.st" > "$T/shared"
	cmp "$T/plain" "$T/shared"
	jq -se '.[0].clients == 1 or .[0].clients == 0' "$BATS_TEST_TMPDIR/log"
}

@test "in an arena that is too small for all, pages go and come" {
	serve -m 8M --clients 1
	train -n 12 -o "$T/out" "$T/base.st"
	cmp "$T/out" "$T/whole"
	status -e '.evictions > 0 and .used <= .memory'
}

@test "what an arena cannot hold is kept on a device, and read once" {
	serve -m 8M --clients 1 --device emu --device-memory 64M
	train -n 12 -o "$T/out" "$T/base.st"
	cmp "$T/out" "$T/whole"
	train -n 12 -o "$T/again" "$T/base.st"
	cmp "$T/again" "$T/whole"
	status -e '.evictions > 0 and .loads <= 20 and .used <= .memory and
		(.device | .fetches > 50 and .saves > 0 and
		.used <= .memory and .lost == null)'
}

@test "a device that is none" {
	for wrong in "--device emu" "--device-memory 8M" \
			"--device emu --device-memory 9K"; do
		run -64 "$BIN/page-agent" --socket "$S" -m 8M $wrong
		[ "${#lines[@]}" = 1 ]
	done
	run -69 "$BIN/page-agent" --socket "$S" -m 8M --device tape \
		--device-memory 8M
	[[ $output == *"--device tape: no such kind in this build" ]]
	[ ! -e /dev/nvidiactl ] || skip "there is a GPU"
	run -69 "$BIN/page-agent" --socket "$S" -m 8M --device cuda \
		--device-memory 8M
	[ "${#lines[@]}" = 1 ]
	[ ! -e "$S" ]
}

# Seconds that a run takes, for deaths all along it.
run_seconds() {
	local start=$EPOCHREALTIME
	serve -m 64M
	train -n 12 -o "$T/out" "$T/base.st"
	kill "$agent"
	wait "$agent" || true
	rm "$T/out"
	awk -v a="$start" -v z="$EPOCHREALTIME" 'BEGIN { print z - a }'
}

# Whenever it dies, also before the run has come to it: its socket is there.
@test "the agent is killed: the run goes on alone, to the same bytes" {
	local pid warned=0 n=${WEFT_KILLS:-5} seconds
	seconds=$(run_seconds)
	for i in $(seq "$n"); do
		serve -m 64M
		train_behind -n 12 -o "$T/out" "$T/base.st"
		sleep "$(awk -v s="$seconds" -v i="$i" \
			'BEGIN { print s * (i * 37 % 90) / 100 }')"
		kill -9 "$agent"
		wait "$agent" || true
		wait "$pid"
		cmp "$T/out" "$T/whole"
		rm "$T/out"
		[ ! -s "$T/said" ] || grep -q "$gone" "$T/said"
		[ ! -s "$T/said" ] || warned=$((warned + 1))
	done
	echo "# $warned of $n runs missed it" >&3
}

# Takes what a client says, N times answers as an agent does, and ends.
dying_agent() { # N
	python3 - "$S" "$1" 3>&- << 'END' &
import os, socket, sys, tempfile
l = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
l.bind(sys.argv[1])
l.listen()
c, left = l.accept()[0], int(sys.argv[2])
arena = tempfile.TemporaryFile()
for answer in (b"\x82\xa5block\xce\x00\x10\x00\x00\xa5quota\x00",
        b"\x82\xa5pages\xcc%c\xa5space\x00" % int(os.environ["PAGES"])):
    c.recv(70000)
    if not left: os._exit(0)
    socket.send_fds(c, [answer], [arena.fileno()])
    left -= 1
c.recv(70000)
os._exit(0)
END
	agent=$!
	for try in $(seq 100); do
		[ ! -S "$S" ] || break
		sleep 0.1
	done
}

@test "an agent that dies at a request, or before the first, is missed by none" {
	local n
	"$BIN/peft-step" $(options) --page-memory 64M -n 1 --log-times \
		--log "$T/log" -o "$T/out" "$T/base.st"
	export PAGES=$(jq .page_loads "$T/log") # each once
	for n in 0 1 2 left; do
		[ "$n" = left ] || { rm -f "$S" && dying_agent "$n"; }
		train -n 12 -o "$T/out" "$T/base.st" 2> "$T/said"
		cmp "$T/out" "$T/whole"
		grep -q "$gone" "$T/said"
		wait "$agent" || true
	done
	"$BIN/eval" --agent "$S" -t loss -d "$data" "$T/base.st" \
		> "$T/shared" 2> "$T/said"
	grep -q "$gone" "$T/said"
	"$BIN/eval" -t loss -d "$data" "$T/base.st" | cmp - "$T/shared"
}

@test "a client is killed: its pages return" {
	local pid n=${WEFT_KILLS:-5}
	serve -m 64M --clients 20
	for i in $(seq "$n"); do
		train_behind -n 4000 -o "$T/out" "$T/base.st"
		sleep "0.$((i * 37 % 90 + 10))"
		kill -9 "$pid"
		wait "$pid" || true
	done
	# None of the dead counts, and nothing is theirs.
	for try in $(seq 50); do
		status -e '.clients == 0' && break
		sleep 0.1
	done
	status -e '.clients == 0 and .pinned == 0'
	train -n 12 -o "$T/out" "$T/base.st"
	cmp "$T/out" "$T/whole"
	kill -0 "$agent"
}

@test "an agent with as many clients as it takes says so" {
	local pid
	serve -m 64M --clients 1
	train_behind -n 4000 -o "$T/out" "$T/base.st"
	for try in $(seq 100); do
		status -e '.pinned > 0' > /dev/null && break
		sleep 0.1
	done
	status -e '.clients == 1 and .pinned > 0'
	run -69 train -n 2 -o "$T/two" "$T/base.st"
	[[ $output == *"as many clients as it takes"* ]]
	kill -9 "$pid"
}

# Each adapter's measuring has pages of its own, and gives them back.
@test "two adapters measured on a part of an arena that is too small" {
	local adapters=(-A "$T/whole" -A "$T/two")
	case $O in *-asan | *-tsan) skip "a sanitizer takes memory of its own" ;; esac
	cp "$T/whole" "$T/two"
	serve -m 4M --clients 4
	run -71 "$BIN/eval" -m 3M --agent "$S" -t loss -d "$data" \
		"${adapters[@]}" "$T/base.st"
	[[ $output =~ takes\ ([0-9]+)\ MiB ]]
	"$BIN/eval" -m "${BASH_REMATCH[1]}M" --agent "$S" -t loss -d "$data" \
		"${adapters[@]}" "$T/base.st" > "$T/shared"
	"$BIN/eval" -t loss -d "$data" "${adapters[@]}" "$T/base.st" |
		cmp - "$T/shared"
	status -e '.pinned == 0 and .loads > 0'
}

@test "files that nobody asked for are closed" {
	local before
	serve -m 8M
	before=$(ls "/proc/$agent/fd" | wc -l)
	python3 - "$S" "$T/base.st" << 'END'
import array, socket, sys
f = open(sys.argv[2], "rb")
beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno()]))]
for i in range(50):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    for m in b"\x81\xa2do\xa4open", b"\x82\xa2do\xa5hello\xa1v\x01":
        s.sendmsg([m], beside)
        assert s.recv(70000)
    s.close()
END
	for try in $(seq 50); do
		[ "$(ls "/proc/$agent/fd" | wc -l)" != "$before" ] || break
		sleep 0.1
	done
	[ "$(ls "/proc/$agent/fd" | wc -l)" = "$before" ]
}

@test "nonsense on the socket is survived" {
	serve -m 64M --clients 40
	python3 - "$S" "${WEFT_MESSAGES:-3000}" << 'END'
import random, socket, sys
random.seed(1)
good = [b"\x82\xa2do\xa5hello\xa1v\x01", b"\x81\xa2do\xa6status",
    b"\x81\xa2do\xa4open", b"\x83\xa2do\xa3get\xa4page\x00\xa5space\x00",
    b"\x84\xa2do\xa3put\xa4next\x01\xa4page\x00\xa5space\x00"]
s = None
for i in range(int(sys.argv[2])):
    if s is None or random.random() < 0.05:
        if s: s.close()
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(2)
        s.connect(sys.argv[1])
    m = bytearray(random.choice(good))
    for k in range(random.choice((0, 0, 1, 2, 9))):
        m[random.randrange(len(m))] = random.randrange(256)
    if random.random() < 0.02: m = bytearray(random.randrange(70000))
    try:
        s.send(m)
        if not s.recv(70000): raise OSError
    except OSError:
        s.close(); s = None
END
	kill -0 "$agent"
	train -n 12 -o "$T/out" "$T/base.st"
	cmp "$T/out" "$T/whole"
}

@test "a file that lies is refused, and the agent goes on" {
	head -c 200000 "$T/base.st" > "$T/cut.st"
	serve -m 64M
	run -65 train -n 2 -o "$T/out" "$T/cut.st"
	printf X | dd of="$T/bad.st" bs=1 seek=200000 conv=notrunc status=none
	cp "$T/base.st" "$T/bad.st"
	printf X | dd of="$T/bad.st" bs=1 seek=200000 conv=notrunc status=none
	run -65 train -n 2 -o "$T/out" "$T/bad.st"
	[[ $output == *"payload is damaged" ]]
	kill -0 "$agent"
	cat "$T/base.st" > "$T/again.st"
	train -n 12 -o "$T/out" "$T/again.st"
	cmp "$T/out" "$T/whole"
}

@test "whose socket it is, and where" {
	local dir=$BATS_TEST_TMPDIR/run
	chmod 750 "$dir"
	run -73 "$BIN/page-agent" --socket "$S" -m 8M
	[[ $output == *"not a folder that is this user's alone (mode 0700)" ]]
	chmod 700 "$dir"
	ln -s "$dir" "$BATS_TEST_TMPDIR/link"
	run -73 "$BIN/page-agent" --socket "$BATS_TEST_TMPDIR/link/a" -m 8M
	echo text > "$dir/file"
	run -73 "$BIN/page-agent" --socket "$dir/file" -m 8M
	[ "$(cat "$dir/file")" = text ]
	serve -m 8M
	run -69 "$BIN/page-agent" --socket "$S" -m 8M
	[[ $output == *"an agent is there already" ]]
	kill -9 "$agent"
	wait "$agent" || true
	serve -m 8M # the dead one's socket is no obstacle
	kill "$agent"
	wait "$agent"
	[ ! -e "$S" ]
	run -69 train -n 2 -o "$T/out" "$T/base.st"
	[[ $output == *"no agent at"* ]]
	echo text > "$S"
	run -69 train -n 2 -o "$T/out" "$T/base.st"
	[[ $output == *"no agent at"* ]]
	run -65 bash -c "cat '$T/base.st' | $BIN/eval --agent '$S' -t loss -d $data"
}

@test "another user is turned away" {
	local dir
	[ "$(id -u)" = 0 ] && command -v setpriv > /dev/null ||
		skip "not root, or no setpriv"
	dir=$(mktemp -d /tmp/agent.XXXXXX) # where others come, too
	S=$dir/agent.sock
	serve -m 8M
	chmod 711 "$dir"
	chmod 777 "$S"
	cp "$BIN/page-agent" "$dir/page-agent"
	run -69 setpriv --reuid 65534 --clear-groups "$dir/page-agent" \
		--socket "$S" --status
	status -e '.refused == 1'
	kill "$agent"
	wait "$agent" || true
	rm -r "$dir"
}

@test "idle, it ends by itself" {
	serve -m 8M --idle 0.3
	wait "$agent"
	[ ! -e "$S" ]
}
