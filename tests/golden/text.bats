#!/usr/bin/env bats
# text.bats - golden G's training data from its records, through the programs
bats_require_minimum_version 1.5.0

setup_file() {
	export T=$BATS_FILE_TMPDIR
	for golden in ../shared/golden ../../shared/golden; do
		[ -e "$golden/data/alpaca48.json" ] &&
			cp "$golden/data/alpaca48.json" "$T"
	done
	[ -z "${WEFT_MODEL-}" ] || "$BIN/st-import" -o "$T/base.st" "$WEFT_MODEL"
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
	[ -n "${WEFT_MODEL-}" ] || skip "WEFT_MODEL is not set"
}

# Golden G: label tokens of each step of 2 x 2 records, cut to 128 tokens.
@test "a model's own template and tokenizer give golden G's labels" {
	[ -e alpaca48.json ] || skip "golden/data is not here"
	tokenize --base base.st -q --length 128 --jsonl alpaca48.json > a
	want=$(jq -c .label_tokens "$BATS_TEST_DIRNAME/G/lora_train/case.json")
	got=$(jq -sc '[.[].labels[1:] | map(select(. >= 0)) | length] as $n |
		[range(12) | $n[4 * .: 4 * . + 4] | add]' a)
	[ -z "${PARITY-}" ] || jq -rn --argjson a "$want" --argjson b "$got" \
		'"G/lora_train\tlabel tokens by tokenize\t\(
		[$a, $b] | transpose | map(.[0] - .[1] | fabs) | max)\t0"' \
		>> "$PARITY"
	[ "$got" = "$want" ]
}

@test "stream, GGUF and stream's tokenizer give the same bytes" {
	jq -nc '{messages: [{role: "user", content: "What is 12 + 7?"},
		{role: "assistant", content: "12 + 7 is 19."}]}' > chat.jsonl
	tokenize --base base.st chat.jsonl > a.st
	tokenize --base "$WEFT_MODEL" chat.jsonl | cmp - a.st
	tokenize --base base.st --show chat.jsonl > shown
	grep -qx 'You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>' shown
	grep -qx '\[12 + 7 is 19.<|im_end|>' shown
}
