# Tensor streams on a command line: whole or refused, by every program.

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	model=$BATS_TEST_DIRNAME/../golden/A/llama/model
	base=$BATS_FILE_TMPDIR/base.st data=$BATS_FILE_TMPDIR/data.st
	[ -e "$data" ] && return
	st-import "$model" -o "$base"
	echo '{"input_ids": [1, 5, 9, 2], "labels": [-100, 5, 9, 2]}' > d.jsonl
	tokenize d.jsonl -o "$data"
}

# Exit status and one line on stderr, which begins with the program's name.
fails() { # status program ...
	local want=$1 got=0
	shift
	"$@" > out 2> err || got=$?
	[ "$got" -eq "$want" ] || { echo "$*: $got: $(cat err)"; return 1; }
	[ "$(wc -l < err)" -eq 1 ] || { echo "$*: $(cat err)"; return 1; }
	grep -q "^$1: " err
}

full() { # program ...
	local got=0
	"$@" > /dev/full 2> err || got=$?
	[ "$got" -eq 74 ] || { echo "$*: $got: $(cat err)"; return 1; }
}

# Bytes of a file, but for one bit of one byte.
flip() { # file byte
	local c
	c=$(od -An -tu1 -j "$2" -N 1 "$1")
	head -c "$2" "$1"
	printf "%b" "\\x$(printf %x $((c ^ 16)))"
	tail -c +"$(($2 + 2))" "$1"
}

@test "zstd accepts what is written, packed and raw" {
	quantize-nf4 "$base" -o q.st
	quantize-nf4 -u "$base" -o raw.st
	zstd -tq "$base" "$data" q.st raw.st
	st-check "$base" "$data" q.st raw.st
	st-check --quick "$base" "$data" q.st raw.st
}

@test "a stream that was cut is refused, and so is all that follows" {
	size=$(stat -c %s "$base")
	for n in 1 47 48 63 100 1000 5000 $((size / 2)) $((size - 257)) \
		 $((size - 256)) $((size - 1)); do
		head -c "$n" "$base" > cut.st
		fails 1 st-check cut.st
		fails 1 st-check --quick cut.st
		fails 65 st-ls cut.st
		fails 65 quantize-nf4 cut.st
		run bash -c 'quantize-nf4 2> e1 < cut.st |
			quantize-nf4 --skip . 2> e2 |
			st-check 2> e3; echo "${PIPESTATUS[*]}"'
		[ "$output" = "65 65 1" ]
		grep -q 'given up by quantize-nf4: .*truncated' e2
		grep -q 'given up by quantize-nf4: .*truncated' e3
	done
}

@test "a message that is no text travels too" {
	head -c 100 "$base" > $'cut\xff.st'
	run bash -c 'quantize-nf4 cut*.st 2> e1 | st-check 2> e2'
	grep -q "given up by quantize-nf4: its message is no text" e2
}

@test "a stream with a flipped bit is refused" {
	size=$(stat -c %s "$base")
	for i in 0 10 20 30 44 50 300 $((size / 3)) $((size / 2)) \
		 $((size - 300)) $((size - 200)) $((size - 1)); do
		flip "$base" "$i" > flip.st
		cmp -s flip.st "$base" && return 1
		fails 1 st-check flip.st
		fails 65 quantize-nf4 flip.st
	done
}

@test "empty, missing and foreign input" {
	: > empty
	fails 1 st-check empty
	fails 65 quantize-nf4 empty
	fails 65 quantize-nf4 - < empty
	fails 66 quantize-nf4 nowhere.st
	fails 66 st-check nowhere.st
	echo hello > text
	fails 65 quantize-nf4 text
	mkdir dir
	fails 65 quantize-nf4 dir
	fails 65 quantize-nf4 "$data"
	grep -q 'no base stream' err
}

@test "streams that are not a filter's pass through byte for byte" {
	quantize-nf4 "$base" > q.st
	cat "$data" "$base" "$data" | quantize-nf4 > out.st
	cat "$data" q.st "$data" | cmp - out.st
	cat "$base" "$data" > both.st
	quantize-nf4 both.st | st-check
	quantize-nf4 "$base" "$data" | cmp - <(quantize-nf4 both.st)
}

@test "the same bytes from a pipe, a file, any -j" {
	quantize-nf4 "$base" -o want.st
	quantize-nf4 < "$base" | cmp - want.st
	cat "$base" | quantize-nf4 | cat | cmp - want.st
	for j in 1 2 3 8; do
		quantize-nf4 -j "$j" "$base" | cmp - want.st
	done
	dd bs=1 status=none < "$base" | quantize-nf4 | cmp - want.st
	quantize-nf4 "$base" | dd bs=1 status=none | cmp - want.st
}

@test "content does not depend on how it is compressed" {
	want=$(quantize-nf4 "$base" | st-check -v)
	for level in 0 3 9; do
		quantize-nf4 --level $level "$base" > $level.st
		[ "$(st-check -v < $level.st)" = "$want" ]
	done
	[ "$(stat -c %s 0.st)" -gt "$(stat -c %s 3.st)" ]
	[ "$(LC_ALL=C grep -cUaP '\x28\xb5\x2f\xfd' 3.st)" -gt 0 ]
	[ "$(LC_ALL=C grep -cUaP '\x28\xb5\x2f\xfd' 0.st)" -eq 0 ]
	st-diff 0.st 9.st
}

@test "a directory's digest is that of its stream" {
	st-import "$model" | st-check -v | cut -d' ' -f3 > a
	st-check -v "$model" | cut -d' ' -f3 > b
	cmp a b
}

@test "a full disk, a closed output" {
	fails 74 quantize-nf4 "$base" -o /dev/full
	full quantize-nf4 "$base"
	full st-ls "$base"
	full st-check -v "$base"
	full st-diff -v "$base" "$data"
	for p in quantize-nf4 st-ls st-check st-diff; do
		full $p --help
	done
	fails 73 quantize-nf4 "$base" -o nowhere/out.st
	status=0
	quantize-nf4 "$base" >&- 2> err || status=$?
	[ "$status" -eq 73 ] || [ "$status" -eq 74 ]
	status=0
	quantize-nf4 <&- 2> err > out || status=$?
	[ "$status" -eq 66 ]
	timeout 20 quantize-nf4 "$base" | head -c 100 > out
}

@test "no stream to a terminal, none from one" {
	command -v script > /dev/null || skip "no script(1)"
	run script -qec "quantize-nf4 '$base'" /dev/null < /dev/null
	[ "$status" -eq 64 ]
	[[ "$output" == *terminal* ]]
}

@test "a file appears whole or not at all" {
	head -c 5000 "$base" > cut.st
	echo before > out.st
	chmod 640 out.st
	fails 65 quantize-nf4 cut.st -o out.st
	[ "$(cat out.st)" = before ]
	[ "$(find . -name '.out*' | wc -l)" -eq 0 ]
	quantize-nf4 "$base" -o out.st
	[ "$(stat -c %a out.st)" = 640 ]
	st-check out.st
	cp "$base" same.st
	quantize-nf4 same.st -o same.st
	cmp same.st out.st
}

@test "st-check looks at all its operands" {
	head -c 100 "$base" > cut.st
	status=0
	st-check -v "$base" cut.st "$data" > out 2> err || status=$?
	[ "$status" -eq 1 ]
	[ "$(wc -l < out)" -eq 2 ]
	grep -q 'cut.st: offset .*truncated' err
	cat "$base" "$data" > both.st
	[ "$(st-check -v --quick both.st | wc -l)" -eq 2 ]
	head -c -1 both.st > cut.st
	fails 1 st-check --quick cut.st
	fails 64 st-check --quick - < <(cat both.st)
}

@test "st-ls lists" {
	cat "$base" "$data" > both.st
	st-ls both.st > out
	grep -q "^both.st: base [0-9a-f]\{32\}$" out
	grep -q "^linear .*model.layers.0.self_attn.q_proj.weight$" out
	grep -q "^prov .*st-import" out
	grep -q "^data     1 samples, 4 tokens, 3 labels$" out
	st-ls --json both.st > json
	grep -q '"kind": "data"' json
	quantize-nf4 "$base" | st-ls > out
	grep -q "^linear   nf4/64 (dyn8/256 (f32)) " out
	st-ls "$model" > out
	grep -q "^linear .*model.layers.0.self_attn.q_proj.weight$" out
	st-ls < both.st | tail -n +2 > a
	cat both.st | st-ls | tail -n +2 | cmp - a
	mkdir $'a\033[31m'
	cp "$base" $'a\033[31m/b.st'
	st-ls $'a\033[31m/b.st' | head -1 > out
	grep -qF 'a\x1b[31m/b.st: base' out
}

@test "st-diff tells what differs" {
	quantize-nf4 "$base" -o q.st
	st-diff "$base" "$model"
	st-diff q.st q.st
	run st-diff "$base" q.st
	[ "$status" -eq 1 ]
	[[ "$output" == *"q_proj.weight: max 0."* ]]
	st-diff --relative 0.2 "$base" q.st
	st-diff --tolerance 10 "$base" q.st
	run st-diff --relative 0.01 "$base" q.st
	[ "$status" -eq 1 ]
	run st-diff -q "$base" q.st
	[ "$status" -eq 1 ] && [ -z "$output" ]
	run st-diff "$base" "$data"
	[ "$status" -eq 1 ]
	[[ "$output" == *"stream : 1 and 1 streams, of other kinds"* ]]
	st-diff <(cat "$base" "$data") <(cat "$base" "$data")
	head -c 5000 "$base" > cut.st
	fails 65 st-diff "$base" cut.st
	fails 64 st-diff "$base"
}
