#!/usr/bin/env bats
# malformed.bats - what the unit tests hold to be no safetensors, GGUF,
# tokenizer.json or template, as files: each is refused by the program with one
# clear line and 65, in little memory and time
bats_require_minimum_version 1.5.0
load memory.sh

model=$BATS_TEST_DIRNAME/../golden/A/llama/model

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir cases
	bound 524288
}

# cases TEST MOST: at least so many files of it
cases() {
	"$O/unit/$1" cases
	[ "$(find cases -type f | wc -l)" -ge "$2" ]
}

# refused FILE PROGRAM ARG ...: a line that names the program, and no more
refused() {
	local file=$1 status=0
	shift
	timeout 60 "$BIN/$1" "${@:2}" > out 2> err < /dev/null || status=$?
	[ "$status" -eq 65 ] && [ "$(wc -l < err)" -eq 1 ] &&
		[ "$(wc -c < err)" -lt 1000 ] && grep -q "^$1: ..*: ." err &&
		! LC_ALL=C grep -q '[^[:print:][:space:]-~]' err || {
		echo "$file: status $status"
		cat err
		return 1
	}
}

@test "safetensors" {
	cases safetensors 60
	for f in cases/*; do
		refused "$f" st-import "$f"
		grep -qF "$f" err
	done
}

@test "GGUF" {
	cases gguf 60
	for f in cases/*; do
		refused "$f" st-import "$f"
		grep -qF "$f" err
	done
}

@test "tokenizer.json" {
	cases tokenizer_bad 30
	cp -r "$model" bad
	chmod u+w bad
	echo some text > text.txt
	for f in cases/*; do
		cp "$f" bad/tokenizer.json
		refused "$f" tokenize --base bad text.txt
		grep -q tokenizer err
	done
}

@test "templates" {
	cases jinja_bad 40
	cp -r "$model" bad
	chmod u+w bad
	jq -n '([range(32; 127) | [.] | implode] + ["\n"]) as $c | {version:
		"1.0", added_tokens: [{id: 96, content: "</s>", special: true}],
		model: {type: "BPE", vocab: ([range(96) | {key: $c[.], value:
		.}] | from_entries), merges: []}}' > bad/tokenizer.json
	echo '{"eos_token": "</s>"}' > bad/tokenizer_config.json
	jq -nc '{messages: [{role: "user", content: "a"},
		{role: "assistant", content: "b"}]}' > chat.jsonl
	for f in cases/*; do
		cp "$f" bad/chat_template.jinja
		refused "$f" tokenize -j 1 --base bad chat.jsonl
		grep -q template err
	done
}
