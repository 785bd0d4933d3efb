#!/usr/bin/env bats
# arch.bats - a family that the build does not know, through every program
bats_require_minimum_version 1.5.0

golden=$BATS_TEST_DIRNAME/../golden
llama=$golden/A/llama/model

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	cp "$BATS_TEST_DIRNAME/loom.arch" .
	loom
	for i in 5 6 7 8; do
		echo "{\"input_ids\": [1, $i, 9, 8], \"labels\": [1, $i, 9, 8]}"
	done > d.jsonl
}

# Llama's weights and numbers under loom's names, in the directory loom.
loom() {
	local n json
	mkdir loom
	jq '{architectures: ["LoomForCausalLM"], model_type: "loom",
		n_layer: .num_hidden_layers, width: .hidden_size,
		inner: .intermediate_size, n_vocab: .vocab_size,
		n_head: .num_attention_heads, n_kv: .num_key_value_heads,
		eps: .rms_norm_eps, base: .rope_parameters.rope_theta,
		tie_word_embeddings, dtype}' "$llama/config.json" \
		> loom/config.json
	n=$(od -An -tu8 -N8 "$llama/model.safetensors" | tr -d ' ')
	json=$(tail -c +9 "$llama/model.safetensors" | head -c "$n" |
	       jq -c 'with_entries(.key |= (
		sub("model.layers."; "body.") | sub("model."; "body.") |
		sub("embed_tokens"; "rows") | sub("body.norm"; "body.last") |
		sub("lm_head"; "words") | sub("input_layernorm"; "pre_a") |
		sub("post_attention_layernorm"; "pre_b") |
		sub("self_attn.q_proj"; "a.query") |
		sub("self_attn.k_proj"; "a.key") |
		sub("self_attn.v_proj"; "a.value") |
		sub("self_attn.o_proj"; "a.out") |
		sub("mlp.(?<x>[a-z]+)_proj"; "b.\(.x)")))')
	{
		printf '%016x' "${#json}" | sed 's/../\\x&\n/g' | tac |
		tr -d '\n' | xargs -0 printf
		printf %s "$json"
		tail -c +$((9 + n)) "$llama/model.safetensors"
	} > loom/model.safetensors
}

# The first step's loss: of the base, since B is 0. How A begins is a matter of
# names.
first() {
	jq -c 'select(.step == 1) | .loss' "$1"
}

@test "without --arch the family is refused, and the remedy named" {
	run -65 --separate-stderr st-import -o x.st loom
	[[ $stderr == *'LoomForCausalLM is unknown; --arch FILE'* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
}

@test "with --arch it is what Llama is: import, evaluate, train, export" {
	st-import --arch loom.arch -o loom.st loom
	"$BIN/eval" -t loss -d d.jsonl "$llama" > want
	"$BIN/eval" --arch loom.arch -t loss -d d.jsonl loom | cmp - want
	"$BIN/eval" --arch loom.arch -t loss -d d.jsonl loom.st | cmp - want

	peft-step -q -r 2 -g 1 -n 3 --log want.log -d d.jsonl "$llama" -o w.st
	peft-step -q --arch loom.arch -r 2 -g 1 -n 3 --log got.log -d d.jsonl \
		loom.st -o a.st
	[ "$(first got.log)" = "$(first want.log)" ]
	jq -se 'map(select(.step and .loss)) | length == 3 and
		.[2].loss < .[0].loss' got.log

	st-export --arch loom.arch --to hf out loom.st
	cmp loom/config.json out/config.json
	st-import --arch loom.arch out | cmp - loom.st
	st-export --to peft adapter a.st
	grep -aq '"base_model.model.body.1.b.down.lora_A.weight"' \
		adapter/adapter_model.safetensors
}

@test "the other programs take it too" {
	lora-init --arch loom.arch -r 2 loom > start.st
	quantize-nf4 --arch loom.arch loom -o q.st
	quantize-int --arch loom.arch --bits 4 loom -o i.st
	merge-adapter -q --arch loom.arch --verify 20 loom start.st -o merged.st
	"$BIN/eval" --arch loom.arch -t loss -d d.jsonl q.st > /dev/null
}

@test "a file that is none" {
	for p in 'st-import loom' 'quantize-nf4 loom' \
		'peft-step -r 2 -d d.jsonl loom' 'lora-init -r 2 loom'; do
		# shellcheck disable=SC2086
		run -66 --separate-stderr ${p%% *} --arch none.arch ${p#* } -o x
		[ "${#stderr_lines[@]}" -eq 1 ]
	done
	echo 'family x' > short.arch
	run -65 --separate-stderr st-import --arch short.arch -o x loom
	[[ $stderr == *short.arch* ]]
	st-import "$llama" > llama.st
	st-export --to gguf llama.gguf < llama.st
	run -65 --separate-stderr st-import --arch loom.arch llama.gguf
	[[ $stderr == *'general.architecture: llama is none'* ]]
	sed 's/swiglu g u/swiglu g w/' loom.arch > bad.arch
	run -65 --separate-stderr "$BIN/eval" --arch bad.arch -t loss \
		-d d.jsonl loom
	[[ $stderr == *'line 51: nothing was written to: w'* ]] || { echo "$stderr"; return 1; }
}
