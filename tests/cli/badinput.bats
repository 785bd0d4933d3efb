#!/usr/bin/env bats
# badinput.bats - every program, every kind of bad input: one line on stderr
# that names the program, the right exit status, and nothing that the next
# program would accept
bats_require_minimum_version 1.5.0

model=tests/golden/A/llama/model

# A NaN in the place of a tensor's second value (f32).
poison() { # file tensor
	local head at
	head=$(od -An -tu8 -N8 "$1" | tr -d ' ')
	at=$(tail -c +9 "$1" | head -c "$head" |
		jq ".\"$2\".data_offsets[0]")
	printf '\000\000\300\177' | dd of="$1" bs=1 conv=notrunc \
		seek=$((8 + head + at + 4)) 2> "$T/dd"
}

setup_file() {
	export T=$BATS_FILE_TMPDIR
	"$BIN/st-import" -o "$T/base.st" "$model"
	"$BIN/quantize-nf4" -o "$T/nf4.st" "$T/base.st"
	jq -nc '[range(3; 40)] | {input_ids: ., labels: .}' > "$T/data.jsonl"
	"$BIN/tokenize" -o "$T/data.st" "$T/data.jsonl"
	"$BIN/lora-init" --only -r 4 -o "$T/adapter.st" "$T/base.st"
	: > "$T/empty"
	head -c 5000 "$T/base.st" > "$T/cut"
	head -c 300 "$T/data.st" > "$T/cutdata"
	cp "$T/base.st" "$T/flipped"
	printf '\377' | dd of="$T/flipped" bs=1 seek=30000 conv=notrunc 2> "$T/dd"
	head -c 4000 /dev/urandom > "$T/noise"
	cp -r "$model" "$T/nan"
	poison "$T/nan/model.safetensors" \
		model.layers.1.self_attn.o_proj.weight
	cp -r "$model" "$T/shape"
	jq '.intermediate_size = 95' "$model/config.json" > "$T/shape/config.json"
	cp -r "$model" "$T/strange"
	jq '.architectures = ["MixtralForCausalLM"] | .model_type = "mixtral"' \
		"$model/config.json" > "$T/strange/config.json"
	jq -nc '{input_ids: [3, 4, 5], labels: [-100, -100, -100]}' \
		> "$T/nolabel.jsonl"
	jq -nc '{input_ids: [3, 4, 5000], labels: [3, 4, 5000]}' \
		> "$T/outside.jsonl"
	echo '{"input_ids": [3, 4,' > "$T/half.jsonl"
}

# refuses STATUS PROGRAM ARG ...: and leaves nothing whole behind
refuses() {
	local want=$1 program=$2
	shift 2
	rm -f "$T/out"
	status=0
	"$BIN/$program" "$@" > "$T/out" 2> "$T/err" < "${IN:-/dev/null}" ||
		status=$?
	echo "$program $*: status $status, want $want"
	cat "$T/err"
	[ "$status" -eq "$want" ]
	[ "$(wc -l < "$T/err")" -eq 1 ]
	grep -q "^$program: ." "$T/err"
	[ ! -s "$T/out" ] || ! "$BIN/st-check" "$T/out" > "$T/said" 2>&1
}

# All that read a base, with what else they need to get that far.
each_base() { # STATUS BASE
	refuses "$1" quantize-nf4 "$2"
	refuses "$1" lora-init "$2"
	refuses "$1" peft-step -n 1 -d "$T/data.jsonl" "$2"
	refuses "$1" merge-adapter "$2" "$T/adapter.st"
	refuses "$1" eval -d "$T/data.jsonl" "$2"
	refuses "$1" generate -p x "$2"
}

@test "an empty input" {
	each_base 65 "$T/empty"
	refuses 65 st-import "$T/empty"
	refuses 65 st-ls "$T/empty"
	IN=$T/empty refuses 65 quantize-nf4
	IN=$T/empty refuses 65 st-export --to hf "$T/x"
	[ ! -e "$T/x" ]
}

@test "an input that is not there" {
	each_base 66 "$T/nothing"
	refuses 66 st-import "$T/nothing"
	refuses 66 tokenize "$T/nothing"
	refuses 66 peft-step -d "$T/nothing" "$T/base.st"
	refuses 66 peft-step -A "$T/nothing" -d "$T/data.jsonl" "$T/base.st"
}

@test "a stream that was cut" {
	each_base 65 "$T/cut"
	refuses 65 st-ls "$T/cut"
	IN=$T/cut refuses 65 st-export --to hf "$T/x"
	[ ! -e "$T/x" ]
	refuses 65 peft-step -n 1 "$T/base.st" "$T/cutdata"
}

@test "a stream with a byte changed" {
	each_base 65 "$T/flipped"
	IN=$T/flipped refuses 65 st-export --to hf "$T/x"
	[ ! -e "$T/x" ]
}

@test "noise" {
	each_base 65 "$T/noise"
	refuses 65 st-import "$T/noise"
}

@test "the wrong kind, and a missing part" {
	each_base 65 "$T/data.st"
	refuses 65 peft-step -n 1 "$T/base.st"
	grep -q 'no data' "$T/err"
	refuses 65 peft-step -n 1 "$T/base.st" "$T/base.st" "$T/data.st"
	refuses 65 merge-adapter "$T/base.st"
	refuses 65 eval "$T/base.st"
	IN=$T/adapter.st refuses 65 st-export --to hf "$T/x"
	IN=$T/base.st refuses 65 st-export --to peft "$T/x"
	IN=$T/base.st refuses 65 st-export --to bnb "$T/x"
	[ ! -e "$T/x" ]
}

@test "weights that are no numbers" {
	refuses 65 quantize-nf4 "$T/nan"
	grep -qi 'nan\|finite' "$T/err"
	refuses 65 peft-step -q -n 1 -d "$T/data.jsonl" "$T/nan"
	refuses 65 eval -t loss -d "$T/data.jsonl" "$T/nan"
	grep -q 'no number' "$T/err"
}

@test "shapes that disagree with config.json" {
	refuses 65 peft-step -n 1 -d "$T/data.jsonl" "$T/shape"
	refuses 65 eval -d "$T/data.jsonl" "$T/shape"
}

@test "a model that cannot be expressed is named" {
	refuses 65 eval -d "$T/data.jsonl" "$T/strange"
	grep -qi mixtral "$T/err"
}

@test "data that nothing can be learned from" {
	refuses 65 peft-step -n 1 -d "$T/nolabel.jsonl" "$T/base.st"
	refuses 65 peft-step -n 1 -d "$T/outside.jsonl" "$T/base.st"
	refuses 65 peft-step -n 1 -d "$T/half.jsonl" "$T/base.st"
	refuses 65 tokenize "$T/nolabel.jsonl"
	refuses 65 peft-step -n 1 -d "$T/empty" "$T/base.st"
}

@test "options that are not there, or make no sense" {
	for p in "$BIN"/*; do
		[ ! -L "$p" ] || continue # another name
		refuses 64 "$(basename "$p")" --no-such-option
		refuses 64 "$(basename "$p")" -j x
	done
	refuses 64 peft-step --learning-rate fast -d "$T/data.jsonl" "$T/base.st"
	refuses 64 peft-step --lr-scheduler sideways "$T/base.st"
	echo '{"lora_ranl": 8}' > "$T/config.json"
	refuses 78 peft-step -c "$T/config.json" "$T/base.st"
	refuses 78 lora-init --target-modules nowhere "$T/base.st"
	refuses 64 eval -t nothing "$T/base.st"
}

@test "an output that cannot be written" {
	for p in quantize-nf4 lora-init st-import; do
		refuses 73 "$p" -o "$T/no/such/dir/x" "$model"
		refuses 74 "$p" -o /dev/full "$model"
	done
	refuses 73 peft-step -q -n 1 -d "$T/data.jsonl" -o "$T" "$T/base.st"
	refuses 74 merge-adapter -o /dev/full "$T/base.st" "$T/adapter.st"
	IN=$T/base.st refuses 73 st-export --to hf "$T/empty/x"
	for p in "$BIN"/*; do
		status=0
		"$p" --help > /dev/full 2> "$T/err" || status=$?
		echo "$p --help: $status"
		[ "$status" -eq 74 ]
	done
}

@test "a terminal on stdout is not written to" {
	command -v script > "$T/which" || skip "no script(1)"
	for p in quantize-nf4 lora-init st-import; do
		run -64 script -qec "$BIN/$p $T/base.st" "$T/tty"
		[[ "$output" == *"refusing to write"* ]]
	done
}

@test "a training that diverges stops before the update" {
	refuses 65 peft-step -n 50 -g 1 --learning-rate 1e20 --max-grad-norm 0 \
		--lr-scheduler constant -d "$T/data.jsonl" "$T/base.st"
	grep -q 'step [0-9]' "$T/err"
}

@test "what goes wrong upstream goes wrong downstream" {
	set +o pipefail
	"$BIN/quantize-nf4" "$T/cut" 2> "$T/err1" |
		"$BIN/lora-init" -r 4 2> "$T/err2" |
		"$BIN/st-check" > "$T/said" 2>&1 && return 1
	grep -q '^lora-init: ' "$T/err2"
	"$BIN/quantize-nf4" "$T/flipped" 2> "$T/err1" |
		"$BIN/peft-step" -n 1 -d "$T/data.jsonl" > "$T/o" 2> "$T/err2" &&
		return 1
	[ ! -s "$T/o" ] || ! "$BIN/st-check" "$T/o" > "$T/said" 2>&1
}

@test "a directory where a file is wanted; no place is named twice" {
	local words
	mkdir -p "$T/folder"
	for words in "tokenize $T/folder" "peft-step -d $T/folder $T/base.st" \
		"generate -p x --arch $T/folder $T/base.st"; do
		run --separate-stderr -66 "$BIN/"$words
		[ "$stderr" = "${words%% *}: $T/folder: is a directory" ]
	done
	run --separate-stderr -65 "$BIN/st-export" --to hf "$T/none" "$T/cut"
	[[ $stderr == "st-export: $T/cut: offset "*truncated ]]
}

@test "KERNELS that are none are refused by every program" {
	local program n=0
	for program in "$BIN"/*; do
		program=$(basename "$program")
		[ "$program" = weft-eval ] && continue
		KERNELS=AVX2 refuses 64 "$program" "$T/base.st"
		grep -q "KERNELS=AVX2: no such kernels" "$T/err"
		KERNELS=AVX2 "$BIN/$program" --version
		n=$((n + 1))
	done
	[ "$n" -ge 17 ]
	for level in c avx2 avx512 avx512bf16 ""; do
		KERNELS=$level "$BIN/st-check" "$T/base.st"
	done
}
