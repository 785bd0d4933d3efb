#!/usr/bin/env bats
# identity.bats - one training, and the same bytes of adapter and log however
# it is run: threads, pipe or file, stopped or killed, memory, kernels
bats_require_minimum_version 1.5.0

model=tests/golden/A/llama/model
data=tests/golden/B/data/data.jsonl

setup_file() {
	export T=$BATS_FILE_TMPDIR N=200
	"$BIN/st-import" -o "$T/base.st" "$model"
	"$BIN/quantize-nf4" -o "$T/nf4.st" "$T/base.st"
	"$BIN/tokenize" -o "$T/data.st" "$data"
	for base in base nf4; do
		for N in 200 10; do
			train -j 1 --log "$T/$base.whole.$N.log" \
				-o "$T/$base.whole.$N" "$T/$base.st"
		done
	done
	N=200
}

# With dropout, shuffled and packed, evaluated on the way.
options() {
	echo -q -r 4 --dropout 0.05 -d "$data" -n "$N" -g 2 --length 64 \
		--lr 3e-3 --eval-data "$data" --eval-every 40
}

train() {
	"$BIN/peft-step" $(options) "$@"
}

same() { # BASE
	cmp "$T/out" "$T/$1.whole.$N"
	cmp "$T/log" "$T/$1.whole.$N.log"
}

# Every way to run it; "$@" is put before each.
whole() { # BASE
	rm -f "$T/out" "$T/log"
	train "${@:2}" --log "$T/log" -o "$T/out" "$T/$1.st"
	same "$1"
	rm -f "$T/log"
	train "${@:2}" --log "$T/log" < "$T/$1.st" > "$T/out"
	same "$1"
	rm -f "$T/log"
	cat "$T/$1.st" | train "${@:2}" --log "$T/log" | cat > "$T/out"
	same "$1"
}

stopped() { # BASE
	rm -f "$T/out" "$T/log" "$T/half"
	train "${@:2}" --log "$T/log" --stop-after $((N / 2)) < "$T/$1.st" > "$T/half"
	train "${@:2}" --log "$T/log" -A "$T/half" -o "$T/out" "$T/$1.st"
	same "$1"
	rm -f "$T/out" "$T/log"
	train "${@:2}" --log "$T/log" --stop-after $((N / 6)) -o "$T/out" "$T/$1.st"
	train "${@:2}" --log "$T/log" --stop-after $((N * 3 / 4)) -o "$T/out" \
		--resume "$T/out.ckpt" "$T/$1.st"
	# The state holds the options: only files are named again.
	"$BIN/peft-step" -q -d "$data" --eval-data "$data" "${@:2}" \
		--log "$T/log" -o "$T/out" --resume "$T/out.ckpt" "$T/$1.st"
	same "$1"
	[ ! -e "$T/out.ckpt" ]
}

# Killed after step 73 of 200, with the last checkpoint somewhere before.
killed() { # BASE
	local pid try
	for try in 1 2 3 4 5 6 7 8; do
		rm -f "$T/out" "$T/log" "$T/ckpt"
		: > "$T/log"
		"$BIN/peft-step" $(options) "${@:2}" --log "$T/log" \
			--checkpoint "$T/ckpt" -o "$T/out" "$T/$1.st" \
			--checkpoint-every $((N / 20 + 1)) &
		pid=$!
		while [ "$(wc -l < "$T/log")" -lt $((N * 73 / 200)) ] &&
			kill -0 "$pid" 2> /dev/null; do :; done
		kill -9 "$pid" 2> /dev/null || true
		wait "$pid" || true
		[ -e "$T/out" ] || break
	done
	[ ! -e "$T/out" ]
	[ -e "$T/ckpt" ]
	train "${@:2}" --log "$T/log" --checkpoint "$T/ckpt" \
		--resume "$T/ckpt" -o "$T/out" "$T/$1.st"
	same "$1"
}

# Plain C is slow: it gets few steps.
each() { # WAY
	local base threads
	for base in base nf4; do
		for threads in 1 2 3; do
			echo "$1: $base, -j $threads, KERNELS=avx2"
			KERNELS=avx2 "$1" "$base" -j "$threads"
		done
		echo "$1: $base, KERNELS=c"
		N=10 KERNELS=c "$1" "$base" -j 2
	done
}

@test "whole, from a file and through a pipe" {
	each whole
}

@test "200 steps are 100 and 100, and 33, 117 and 50" {
	each stopped
}

@test "200 steps are some, kill -9, and the rest" {
	each killed
}

@test "with all memory, half of it, and the least" {
	local base full least
	for base in base nf4; do
		full=$(train --dry-run "$T/$base.st" | awk '/^total/ { print $2 }')
		least=$full
		for part in 95 90 85 80 75 70 60 50 40 30 20 10; do
			train --dry-run -m $((full * part / 100)) \
				"$T/$base.st" > "$T/plan" 2> "$T/err" || break
			least=$((full * part / 100))
		done
		[ "$least" -lt "$full" ]
		grep -q 'peft-step: the least plan takes' "$T/err"
		for bytes in "$full" $(((full + least) / 2)) "$least"; do
			rm -f "$T/out" "$T/log"
			train -m "$bytes" --log "$T/log" -o "$T/out" "$T/$base.st"
			same "$base"
		done
	done
}

@test "data from a file, from a stream, and on the same input" {
	rm -f "$T/log"
	"$BIN/peft-step" -q -r 4 --dropout 0.05 -n 200 -g 2 --length 64 \
		--lr 3e-3 --eval-data "$T/data.st" --eval-every 40 \
		-d "$T/data.st" --log "$T/log" -o "$T/out" "$T/base.st"
	same base
	rm -f "$T/log"
	cat "$T/base.st" "$T/data.st" |
		"$BIN/peft-step" -q -r 4 --dropout 0.05 -n 200 -g 2 \
		--length 64 --lr 3e-3 --eval-data "$data" --eval-every 40 \
		--log "$T/log" > "$T/out"
	same base
}

@test "the base as a directory, as a stream, and quantised on the way" {
	rm -f "$T/log"
	train --log "$T/log" -o "$T/out" "$model"
	same base
	rm -f "$T/log"
	"$BIN/quantize-nf4" "$model" | train --log "$T/log" > "$T/out"
	same nf4
}

@test "another seed is another training" {
	rm -f "$T/log"
	train --seed 43 --log "$T/log" -o "$T/out" "$T/base.st"
	! cmp -s "$T/log" "$T/base.whole.200.log"
}
