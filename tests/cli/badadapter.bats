#!/usr/bin/env bats
# badadapter.bats - adapter directories that are malformed: one clear line, 65,
# little memory
bats_require_minimum_version 1.5.0
load memory.sh

adapter=$BATS_TEST_DIRNAME/../golden/B/rslora/init

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	bound 262144
	n=$(od -An -tu8 -N8 "$adapter/adapter_model.safetensors" | tr -d ' ')
	tail -c +9 "$adapter/adapter_model.safetensors" | head -c "$n" > header
	tail -c +$((9 + n)) "$adapter/adapter_model.safetensors" > data
	q=base_model.model.model.layers.0.self_attn.q_proj
	count=0
}

copy() {
	rm -rf bad
	cp -r "$adapter" bad
	chmod -R u+w bad
}

# safetensors LENGTH < header: bad/adapter_model.safetensors of it and the data
safetensors() {
	{
		printf '%016x' "$1" | sed 's/../\\x&\n/g' | tac | tr -d '\n' |
			xargs -0 printf
		cat
		cat data
	} > bad/adapter_model.safetensors
}

# refuse WORD: the directory bad, in one line that has WORD in it, in 256 MB
refuse() {
	count=$((count + 1))
	run -65 --separate-stderr st-import -o stdout bad
	[ "${#stderr_lines[@]}" -eq 1 ] || { echo "$1: $stderr"; return 1; }
	[[ $stderr == *bad*"$1"* ]] || { echo "$1: $stderr"; return 1; }
	[ "${#stderr}" -lt 1000 ]
}

# header WORD JQ: a header edited so is refused
header() {
	copy
	jq -c "$2" header > h
	safetensors "$(stat -c %s h)" < h
	refuse "$1"
}

# config WORD TEXT: this adapter_config.json is
config() {
	copy
	printf '%s' "$2" > bad/adapter_config.json
	refuse "$1"
}

# edit WORD JQ: one edited so is
edit() {
	config "$1" "$(jq "$2" "$adapter/adapter_config.json")"
}

@test "headers that lie about their arrays" {
	header "bytes before it" "del(.[\"$q.lora_A.weight\"])"
	header q_proj "with_entries(.key |= sub(\"$q.lora_A\"; \"$q.lora_C\"))"
	header x "with_entries(.key |= sub(\"^base_model.model\"; \"x\"))"
	header 'float' ".[\"$q.lora_A.weight\"].dtype = \"I32\""
	header 'F4' ".[\"$q.lora_A.weight\"].dtype = \"F4\""
	header q_proj ".[\"$q.lora_A.weight\"].shape = [1]"
	header q_proj ".[\"$q.lora_A.weight\"].shape |= [.[1], .[0]]"
	header q_proj ".[\"$q.lora_A.weight\"].shape = [1, 1e18]"
	header q_proj ".[\"$q.lora_A.weight\"].shape = [4294967296, 4294967296]"
	header q_proj ".[\"$q.lora_A.weight\"].shape = [-4, -64]"
	header q_proj ".[\"$q.lora_A.weight\"].shape = \"4x64\""
	header q_proj ".[\"$q.lora_A.weight\"].data_offsets = [0, 99999999]"
	header q_proj ".[\"$q.lora_A.weight\"].data_offsets |= [.[1], .[0]]"
	header q_proj ".[\"$q.lora_A.weight\"].data_offsets = [0]"
	header q_proj ".[\"$q.lora_A.weight\"].more = 1"
	header '' 'with_entries(.value.data_offsets = [0, 1024])'
	header '' '{}'
	header '' '[]'
	header '' '{"a": 1}'
	[ "$count" -eq 19 ]
}

@test "files that are none" {
	copy; safetensors 18446744073709551615 < header; refuse ''
	copy; safetensors 99999999 < header; refuse ''
	copy; safetensors 1 < header; refuse ''
	copy; : > bad/adapter_model.safetensors; refuse ''
	copy; printf '\200\2' > bad/adapter_model.safetensors; refuse ''
	copy; head -c 500 "$adapter/adapter_model.safetensors" \
		> bad/adapter_model.safetensors; refuse ''
	copy; echo >> bad/adapter_model.safetensors; refuse ''
	copy; head -c 3000 /dev/zero | tr '\0' '[' > h
	safetensors 3000 < h; refuse ''
	copy; rm bad/adapter_model.safetensors
	mkdir bad/adapter_model.safetensors; refuse 'adapter_model'
	[ "$count" -eq 9 ]
}

@test "configurations that are none" {
	config adapter_config.json ''
	config adapter_config.json '{'
	config adapter_config.json '[]'
	config adapter_config.json 'null'
	config adapter_config.json '{"r": 4, "r": 5}'
	config adapter_config.json "$(head -c 5000 /dev/zero | tr '\0' '[')"
	config adapter_config.json "$(printf '{"r": "\377"}')"
	config peft_type '{}'
	config peft_type '{"peft_type": 7}'
	config peft_type '{"peft_type": "NOTHING_OF_THE_KIND"}'
	edit lora_alpha '.r = -4'
	edit lora_alpha '.r = 1e300'
	edit lora_alpha '.lora_alpha = 0'
	edit lora_dropout '.lora_dropout = 2'
	edit target_modules '.target_modules = {"q_proj": 1}'
	edit rank_pattern '.rank_pattern = {"q_proj": -1}'
	edit alpha_pattern '.alpha_pattern = {"*": 4}'
	edit no_such_key '.no_such_key = 1'
	[ "$count" -eq 18 ]
}
