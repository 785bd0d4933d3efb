#!/usr/bin/env bats
# paging.bats - a base that does not stay in memory: the same bytes, and the
# ways in which it can be lost
bats_require_minimum_version 1.5.0

model=tests/golden/A/llama/model
data=tests/golden/B/data/data.jsonl

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -o "$T/base.st" "$model"
	"$BIN/st-import" -u -o "$T/raw.st" "$model"
	"$BIN/quantize-nf4" -o "$T/nf4.st" "$T/base.st"
	for base in base raw nf4; do
		train --log "$T/$base.log" -o "$T/$base.out" "$T/$base.st"
	done
}

# Several parts a step, dropout, evaluation on the way.
train() {
	"$BIN/peft-step" -q -r 4 --dropout 0.05 -d "$data" -n 12 -g 3 \
		--length 64 --eval-data "$data" --eval-every 5 "$@"
}

# The least --page-memory, as the message has it.
least() { # BASE ...
	run -71 train --page-memory 1K "$@"
	[[ $output =~ take\ ([0-9]+)\ KiB ]]
	least=${BASH_REMATCH[1]}
}

@test "one adapter and one log, whatever is paged through whatever memory" {
	local base size j
	for base in base raw nf4; do
		least "$T/$base.st"
		for size in "$least" $((least * 3 / 2)) 100000; do
			for j in 1 2; do
				rm -f "$T/log"
				train -j "$j" --page-memory "${size}K" \
					--log "$T/log" -o "$T/out" "$T/$base.st"
				cmp "$T/out" "$T/$base.out"
				cmp "$T/log" "$T/$base.log"
			done
		done
	done
}

# What layers carry stays, and weights, which need no store, go instead; states
# of the optimizer are written.
@test "pages are read again and again, and spilled where they must" {
	least "$T/base.st"
	train --page-memory "${least}K" --log-times --log "$T/times" \
		-o "$T/out" "$T/base.st"
	jq -se '.[-1] | .page_loads > 100 and .page_written_bytes == 0' \
		"$T/times"
	rm "$T/times"
	train --page-memory "${least}K" --page-optimizer --log-times \
		--log "$T/times" -o "$T/out" "$T/base.st"
	jq -se '.[-1] | .page_loads > 100 and .page_written_bytes > 0' \
		"$T/times"
	cmp "$T/out" "$T/base.out"
}

# The bound is what does not fit, once down and once up. On the way down, what
# micro-batches carry (13 pages each) has taken the place of weights at the turn:
# those are all that more of them cost. A base that was read for each of them
# would be 8 times as much.
@test "the base is read once down and once up a step, however many micro-batches" {
	local n=31 memory=380 pages=$((12 * 120 + 2 * 36)) g bound
	"$O/bench/large" --shape tiny --layers 12 -o "$T/twelve.st"
	awk 'BEGIN { srand(1); for (i = 0; i < 16; i++) { s = "1"
		for (k = 0; k < 15; k++) s = s ", " int(rand() * 256)
		print "{\"input_ids\": [" s "], \"labels\": [" s "]}" } }' \
		> "$T/short.jsonl"
	for g in 1 2 4 8; do
		rm -f "$T/log"
		"$BIN/peft-step" -q -r 4 -b 1 -g "$g" --no-pack -n "$n" \
			--page-memory "${memory}K" --log-times --log "$T/log" \
			-d "$T/short.jsonl" -o "$T/out" "$T/twelve.st"
		bound=$((1024 * (2 * (pages - memory) + g * 13 * 4)))
		jq -se --argjson n "$n" --argjson bound "$bound" \
			'(.[-1].page_read_bytes - .[0].page_read_bytes) /
			($n - 1) / $bound | debug | . > 0.98 and . < 1.02' \
			"$T/log"
	done
}

# Also where all of it fits, and no -m is given.
@test "--page-optimizer pages" {
	rm -f "$T/times"
	train --page-optimizer --log-times --log "$T/times" -o "$T/out" \
		"$T/base.st"
	jq -se '.[-1].page_loads > 0' "$T/times"
	cmp "$T/out" "$T/base.out"
}

@test "a base on a pipe is spooled; a directory too" {
	least "$T/base.st"
	cat "$T/base.st" | train --page-memory "${least}K" > "$T/out"
	cmp "$T/out" "$T/base.out"
	train --page-memory "${least}K" < "$T/base.st" > "$T/out"
	cmp "$T/out" "$T/base.out"
	train --page-memory "${least}K" "$model" > "$T/out"
	cmp "$T/out" "$T/base.out"
}

@test "every kind of adapter trains on a base in pages" {
	local kind
	for kind in "--method dora" "--method adalora" "--method iec" \
		"--modules-to-save lm_head"; do
		echo "$kind"
		train $kind -o "$T/whole" "$T/base.st"
		train $kind --page-memory 600K -o "$T/out" "$T/base.st"
		cmp "$T/out" "$T/whole"
	done
}

@test "stopped and continued, with pages and without" {
	rm -f "$T/log" "$T/half"
	train --page-memory 400K --log "$T/log" --stop-after 7 -o "$T/half" \
		"$T/base.st"
	train --page-memory 600K --log "$T/log" -A "$T/half" -o "$T/out" \
		"$T/base.st"
	cmp "$T/out" "$T/base.out"
	cmp "$T/log" "$T/base.log"
}

# The least -m, as a refusal names it; with a MiB less it names the same.
least_m() { # PROGRAM ARG ...
	run -71 "$BIN/$1" -m 1M "${@:2}"
	[ "${#lines[@]}" = 1 ]
	[[ $output =~ \ takes?\ ([0-9]+)\ MiB ]]
	least=${BASH_REMATCH[1]}
	run -71 "$BIN/$1" -m "$((least - 1))M" "${@:2}"
	[[ $output == *" $least MiB"*"there are $((least - 1))"* ]]
	[ "${#lines[@]}" = 1 ]
}

# The most that it has resident, in kB, with what it maps of files.
most_of() { # PROGRAM ARG ...
	python3 - "$BIN/$1" "${@:2}" << 'END'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
}

@test "eval says the same of a base in pages, and the least that it takes" {
	local kb
	"$BIN/eval" -t loss -d "$data" "$T/raw.st" "$T/raw.out" > "$T/one"
	least_m eval -t loss -d "$data" "$T/raw.st" "$T/raw.out"
	"$BIN/eval" -m "${least}M" -t loss -d "$data" "$T/raw.st" \
		"$T/raw.out" > "$T/two"
	cmp "$T/one" "$T/two"
	# Less than a MiB less, of which the base's pages are a third.
	kb=$((least << 10))
	while "$BIN/eval" -m "$((kb - 25))K" -t loss -d "$data" "$T/raw.st" \
		"$T/raw.out" > "$T/two" 2> "$T/err"; do
		kb=$((kb - 25))
		cmp "$T/one" "$T/two"
		[ "$kb" -gt $(((least - 1) << 10)) ]
	done
	grep -q 'the least plan takes' "$T/err"
	run -65 "$BIN/eval" -m "${least}M" -t loss -d "$data" <(damaged; cat "$T/bad.st")
	damaged
	run -65 "$BIN/eval" -m "${least}M" -t loss -d "$data" "$T/bad.st"
	[[ $output == *"payload is damaged" ]]
}

@test "-m of eval counts adapters and data" {
	local other i args=()
	case $O in *-asan | *-tsan) skip "a sanitizer takes memory of its own" ;; esac
	"$BIN/lora-init" --only -u -r 32 -o "$T/wide.st" "$T/raw.st"
	[ "$(stat -c %s "$T/wide.st")" -gt 200000 ]
	least_m eval -t loss -d "$data" "$T/raw.st"
	other=$least
	for i in $(seq 120); do
		args+=(-A "a$i=$T/wide.st")
	done
	least_m eval -t loss -d "$data" "${args[@]}" "$T/raw.st"
	[ "$least" -gt $((other + 120 * 200000 / 1048576)) ]
	# Some KiB stay in the heap of each.
	"$BIN/eval" -m "$((least + 1))M" -t loss -d "$data" "${args[@]}" \
		"$T/raw.st"
	jq -nc 'range(30000) | {input_ids: [range(64)]}' > "$T/much.jsonl"
	least_m eval -t loss -d "$T/much.jsonl" "$T/raw.st"
	[ "$least" -gt $((other + 10)) ]
}

# Damages a byte of the last matrix, which is not looked at before its turn.
damaged() {
	cp "$T/raw.st" "$T/bad.st"
	"$BIN/st-ls" "$T/bad.st" > /dev/null
	printf X | dd of="$T/bad.st" bs=1 conv=notrunc status=none \
		seek=$(($(stat -c %s "$T/bad.st") * 2 / 3))
}

@test "damage is found when the page comes in, by name, and nothing is left" {
	damaged
	rm -f "$T/out"
	run -65 train --page-memory 400K -o "$T/out" "$T/bad.st"
	[[ $output == *bad.st:*offset*"payload is damaged" ]]
	[ "${#lines[@]}" = 1 ]
	[ ! -e "$T/out" ]
}

@test "a file cut short under a run is an error, not a wrong number" {
	cp "$T/raw.st" "$T/cut.st"
	train --page-memory 400K -n 3000 --eval-every 0 -o "$T/out" \
		"$T/cut.st" 2> "$T/err" &
	local pid=$! status=0
	sleep 0.5
	truncate -s 5000 "$T/cut.st"
	wait "$pid" || status=$?
	cat "$T/err"
	[ "$status" = 65 ]
	grep -q 'cut.st' "$T/err"
}

@test "a file that is replaced under a run does no harm" {
	cp "$T/raw.st" "$T/old.st"
	train --page-memory 400K -o "$T/out" "$T/old.st" &
	local pid=$!
	cp "$T/nf4.st" "$T/new"
	mv "$T/new" "$T/old.st"
	wait "$pid" || true
	[ ! -e "$T/out" ] || cmp "$T/out" "$T/raw.out" || cmp "$T/out" "$T/nf4.out"
}

@test "no room to spill is 73 before the first step" {
	run -73 bash -c "trap '' XFSZ; ulimit -f 8; $BIN/peft-step -q -r 4 \
		-d $data -n 12 -g 3 --length 64 --page-memory 400K $T/base.st \
		-o /dev/null"
	[[ $output == *"no room for"*"of pages"* ]]
}

@test "a TMPDIR in memory is refused" {
	[ -d /dev/shm ] || skip "no /dev/shm"
	TMPDIR=/dev/shm run -73 train --page-memory 400K "$T/base.st"
	[[ $output == *"/dev/shm is in memory"* ]]
}

# The embedding is a fifth of this base, so a quarter of it is little more than
# the least.
@test "the real model at all of its base, a half, a quarter, and at the least" {
	[ "${WEFT_MODEL-}" ] || skip "no WEFT_MODEL"
	local args="-q -r 8 -d pipelines/data/weft-train.jsonl -n 2 -g 2 --length 64"
	local kib size
	"$BIN/st-import" -u -o "$T/bf16.st" "$WEFT_MODEL"
	kib=$(($(stat -c %s "$T/bf16.st") / 1024))
	"$BIN/peft-step" $args -o "$T/bf16.out" "$T/bf16.st"
	run -71 "$BIN/peft-step" $args --page-memory 1K "$T/bf16.st"
	[[ $output =~ take\ ([0-9]+)\ KiB ]]
	for size in "$kib" $((kib / 2)) $((kib / 4)) "${BASH_REMATCH[1]}"; do
		rm -f "$T/times"
		"$BIN/peft-step" $args --page-memory "${size}K" --log-times \
			--log "$T/times" -o "$T/out" "$T/bf16.st"
		cmp "$T/out" "$T/bf16.out"
		jq -se 'length == 2 and .[-1].page_read_bytes > 2e8' "$T/times"
	done
	rm "$T/bf16.st"
}

@test "the real model quantised at nearly all of its base, and at the least" {
	[ "${WEFT_MODEL-}" ] || skip "no WEFT_MODEL"
	local args="-q -r 8 -d pipelines/data/weft-train.jsonl -n 2 -g 2 --length 128"
	"$BIN/quantize-nf4" -o "$T/real.st" "$WEFT_MODEL"
	"$BIN/peft-step" $args -o "$T/real.out" "$T/real.st"
	run -71 "$BIN/peft-step" $args --page-memory 1K "$T/real.st"
	[[ $output =~ take\ ([0-9]+)\ KiB ]]
	for size in "${BASH_REMATCH[1]}K" 90M; do
		"$BIN/peft-step" $args --page-memory "$size" -o "$T/out" \
			"$T/real.st"
		cmp "$T/out" "$T/real.out"
	done
	# Within 5 %; and 8 MiB are mapped of the program itself.
	"$BIN/lora-init" --only -u -r 64 -o "$T/wide.st" "$T/real.st"
	[ "$(stat -c %s "$T/wide.st")" -gt 70000000 ]
	for program in "generate -n 4 -p The\ quick -j 2" \
		"eval -t mc -L 2 --length 128 -d $T/mc.jsonl -j 2"; do
		jq -nc 'range(50000) | {question: "How many are \(.)?",
			choices: ["one", "two", "or \("more" * 50)"],
			answer: 0}' > "$T/mc.jsonl"
		eval "set -- $program $T/real.st $T/wide.st"
		"$BIN/$1" "${@:2}" > "$T/one"
		least_m "$@"
		[ "$least" -gt 190 ]
		"$BIN/$1" -m "${least}M" "${@:2}" > "$T/two"
		cmp "$T/one" "$T/two"
		most=$(most_of "$1" -m "${least}M" "${@:2}")
		echo "$most kB of $least MiB"
		[ "$most" -lt $(((least * 105 / 100 + 8) << 10)) ]
		[ "$most" -gt $((least * 95 / 100 << 10)) ]
	done
	most=$(most_of merge-adapter -q -j 2 -m 250M --verify 64 \
		-o "$T/two.st" "$T/real.st" "$T/real.out")
	[ "$most" -lt $((270 << 10)) ]
	"$BIN/merge-adapter" -q --verify 64 -o "$T/one.st" "$T/real.st" \
		"$T/real.out"
	cmp "$T/one.st" "$T/two.st"
}

@test "the optimizer's states in pages: the same bytes, for each, clipped or not" {
	local how
	for how in "--optim adamw" "--optim adamw --max-grad-norm 0" \
		"--optim adamw8bit --max-grad-norm 0" "--optim adamw8bit" \
		"--optim sgd --momentum 0.9" "--method adalora"; do
		echo "$how"
		rm -f "$T/log" "$T/log2"
		train $how --log "$T/log" -o "$T/whole" "$T/base.st"
		train $how --page-optimizer --page-memory 700K --log "$T/log2" \
			-o "$T/out" "$T/base.st"
		cmp "$T/out" "$T/whole"
		cmp "$T/log" "$T/log2"
	done
}

# A tied embedding is trained at both ends; a prompt stands at no module.
@test "the same bytes of what several layers share" {
	local how options
	"$BIN/st-import" -u -o "$T/tied.st" tests/golden/A/llama3_tied/model
	for how in "--modules-to-save embed_tokens -r 4" "--method prompt" \
		"--method prefix"; do
		options="-q -d $data -n 6 -g 3 --length 64 --max-grad-norm 0"
		echo "$how"
		"$BIN/peft-step" $options $how -o "$T/whole" "$T/tied.st"
		"$BIN/peft-step" $options $how --page-optimizer \
			--page-memory 700K -o "$T/out" "$T/tied.st"
		cmp "$T/out" "$T/whole"
	done
}

@test "states in pages are saved and go on" {
	rm -f "$T/log" "$T/half"
	train --page-memory 600K --page-optimizer --checkpoint-every 2 \
		--log "$T/log" --stop-after 7 -o "$T/half" "$T/base.st"
	train --page-memory 600K --page-optimizer --log "$T/log" -A "$T/half" \
		-o "$T/out" "$T/base.st"
	cmp "$T/out" "$T/base.out"
	cmp "$T/log" "$T/base.log"
}

# The tokens' numbers are those of two models in memory.
@test "merge-adapter --verify within -m says the same, and the least it takes" {
	local least options
	for options in "" "--dtype bf16 --requantise" "-A $T/nf4.out"; do
		"$BIN/merge-adapter" -A "$T/nf4.out" $options --verify 200 \
			-o "$T/merged" "$T/nf4.st" 2> "$T/one"
		set -- -A "$T/nf4.out" $options --verify 200
		run -71 "$BIN/merge-adapter" -m 1M "$@" "$T/nf4.st" \
			-o "$T/two.st"
		[[ $output =~ \ take\ ([0-9]+)\ MiB\ at\ least ]]
		least=${BASH_REMATCH[1]}
		# What is spilled leaves some KiB in the heap: maybe a MiB less.
		run -71 "$BIN/merge-adapter" -m "$((least - 2))M" "$@" \
			-o "$T/two.st" "$T/nf4.st"
		[[ $output =~ \ take\ ([0-9]+)\ MiB\ at\ least ]]
		[ $((least - BASH_REMATCH[1])) -le 1 ]
		"$BIN/merge-adapter" -m "${least}M" -A "$T/nf4.out" \
			$options --verify 200 -o "$T/two.st" "$T/nf4.st" \
			2> "$T/two"
		cmp "$T/merged" "$T/two.st"
		diff "$T/one" "$T/two"
		cat "$T/nf4.st" | "$BIN/merge-adapter" -m "${least}M" $options \
			-A "$T/nf4.out" --verify 200 > "$T/two.st"
		cmp "$T/merged" "$T/two.st"
	done
	TMPDIR=/dev/shm run -73 "$BIN/merge-adapter" -m 1M \
		-A "$T/nf4.out" --verify 200 -o "$T/three" "$T/nf4.st"
	[ ! -e "$T/three" ]
	run -71 "$BIN/merge-adapter" -m 20K -A "$T/nf4.out" -o "$T/three" \
		"$T/nf4.st"
	[[ $output == *" takes 1 MiB, there are 0"* ]]
	[ ! -e "$T/three" ]
}
