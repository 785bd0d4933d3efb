# A quantiser that is no part of Weft (quantiser.py) takes part in a pipe

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	here=$BATS_TEST_DIRNAME
	model=$here/../golden/A/llama/model
	data=$here/../golden/B/data/data.jsonl
	command -v python3 > /dev/null || skip "no python3"
	PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 python3 -c 'import stream_io' ||
		skip "python3 finds no libxxhash or libzstd"
	export PYTHONDONTWRITEBYTECODE=1
}

other() { python3 "$here/quantiser.py" "$@"; }

loss() { # STREAM ...
	"$BIN/eval" -t loss -d "$data" "$@" | grep -o '"loss": [0-9.]*' |
	cut -d' ' -f2
}

@test "its streams are whole, and say what storage they have" {
	for level in 0 9; do
		st-import --level $level -o base.st "$model"
		for how in "book 2" "book 3" "book 4" "int 3" "int 8"; do
			other $how < base.st > q.st
			st-check -q q.st
			[ "$(st-ls q.st | grep -c "${how/ /}/32\|${how% *}/32 ")" -eq 14 ]
		done
	done
}

@test "it rounds as closely as it should" {
	st-import -o base.st "$model"
	for how in "book 2 0.45" "book 3 0.2" "book 4 0.11" "int 3 0.2" \
		"int 8 0.006"; do
		set -- $how
		other "$1" "$2" < base.st > q.st
		st-diff --relative "$3" base.st q.st
	done
	quantize-int --bits 3 -o ours.st base.st
	other int 3 < base.st > q.st
	st-diff --relative 2e-3 q.st ours.st # ties round alike in f64 and f32
}

@test "what it made trains, merges, and runs; nothing here knows it" {
	st-import -o base.st "$model"
	for how in "book 3" "int 3"; do
		other $how < base.st > q.st
		peft-step -q -r 4 -n 12 -g 1 --learning-rate 1e-2 -d "$data" \
			-o a.st q.st
		awk -v a="$(loss q.st)" -v b="$(loss q.st a.st)" \
			'BEGIN { exit !(b < a - 0.1) }'
		merge-adapter -q --dtype f32 --verify 100 -A a.st -o m.st q.st
	done
	other int 4 < base.st > q.st
	lora-init --only --method qalora -r 4 -o fresh.st q.st
	peft-step -q -n 12 -g 1 --learning-rate 1e-2 -d "$data" -A fresh.st \
		-o a.st q.st
	merge-adapter -q --verify 100 -A a.st -o m.st q.st
	[ "$(st-ls m.st | grep -c 'int4/32')" -eq 14 ]
	st-import "$model" | other book 4 | peft-step -q -r 2 -n 2 -d "$data" \
		-o piped.st
}

@test "its provenance is kept; other streams pass; a cut input is refused" {
	st-import -o base.st "$model"
	tokenize -o data.st "$data"
	other book 3 < base.st > q.st
	cat base.st data.st | other book 3 > both.st
	cat q.st data.st | cmp - both.st
	peft-step -q -r 2 -n 2 -o a.st < both.st
	grep -aq quantiser.py q.st
	head -c 100000 base.st > cut.st
	other book 3 < cut.st > out.st || true
	run peft-step -q -r 2 -n 2 -d "$data" -o a2.st out.st
	[ "$status" -eq 65 ]
	run requantise_twice
	[ "$status" -ne 0 ]
}

requantise_twice() { other book 3 < q.st > twice.st; }
