#!/usr/bin/env bats
# checkpoints.bats - what Hugging Face directories may be besides plain: of
# bitsandbytes' 4-bit weights, a part of a larger model, of turned weights
bats_require_minimum_version 1.5.0

golden=$BATS_TEST_DIRNAME/../golden
bnb=$golden/C/checkpoint
llama=$golden/A/llama/model

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
}

quietly() {
	"$@" > "$BATS_TEST_TMPDIR/stdout"
}

# refuses STATUS WORD COMMAND ...: one line on stderr that has WORD in it
refuses() {
	local status=$1 word=$2
	shift 2
	run -"$status" --separate-stderr quietly "$@"
	[ "${#stderr_lines[@]}" -eq 1 ] || { echo "$stderr"; return 1; }
	[[ $stderr == *"$word"* ]] || { echo "$stderr"; return 1; }
}

# copy MODEL: to spoil
copy() {
	rm -rf bad
	cp -r "$1" bad
	chmod -R u+w bad
	from=$1
}

# header JQ-EXPRESSION: bad/model.safetensors with its header edited
header() {
	local n json
	n=$(od -An -tu8 -N8 "$from/model.safetensors" | tr -d ' ')
	json=$(tail -c +9 "$from/model.safetensors" | head -c "$n" |
	       jq -c "$1")
	{
		printf '%016x' "${#json}" | sed 's/../\\x&\n/g' | tac |
		tr -d '\n' | xargs -0 printf
		printf %s "$json"
		tail -c +$((9 + n)) "$from/model.safetensors"
	} > bad/model.safetensors
}

config() {
	jq "$1" "$from/config.json" > bad/config.json
}

data() {
	for i in 5 6 7 8; do
		echo "{\"input_ids\": [1, $i, 9, 8, 7], \"labels\": [1, $i, 9, 8, 7]}"
	done
}

@test "a 4-bit checkpoint is trained on as it is, and its stream is the same" {
	data > d.jsonl
	for kind in nf4_double fp4_single; do
		st-import -o base.st $bnb/$kind/model
		st-ls base.st | grep -q "linear   ${kind%_*}/64"
		peft-step -q -r 2 -n 2 -g 1 -d d.jsonl base.st -o a.st
		peft-step -q -r 2 -n 2 -g 1 -d d.jsonl $bnb/$kind/model |
			cmp - a.st
	done
}

@test "a 4-bit checkpoint may be cut anywhere, even within a weight" {
	st-import -o one.st $bnb/nf4_double/model
	st-export --to bnb --shard-size 2000 shards one.st
	[ "$(find shards -name 'model-*.safetensors' | wc -l)" -gt 20 ]
	st-import shards | cmp - one.st
}

@test "what config.json says of 4 bits goes out as it came while it is so" {
	st-import -o base.st $bnb/nf4_double/model
	st-export --to bnb same base.st
	cmp same/config.json $bnb/nf4_double/model/config.json
	st-export --to hf --dtype f32 dense base.st
	jq -e 'has("quantization_config") | not' dense/config.json
	quantize-nf4 --skip q_proj dense | st-export --to bnb less
	cp same/config.json less/config.json
	mv less/model.safetensors m
	cp m less/model.safetensors
	st-import less | st-export --to bnb again
	jq -e '.quantization_config.llm_int8_skip_modules |
		index("model.layers.0.self_attn.q_proj")' again/config.json
}

@test "4-bit checkpoints that are spoiled" {
	local q=model.layers.0.self_attn.q_proj.weight
	copy $bnb/nf4_double/model
	header "with_entries(.key |= sub(\"$q.absmax\"; \"$q.absmin\"))"
	refuses 65 absm st-import bad
	header "with_entries(.key |= sub(\"$q.nested_absmax\"; \"x.nested_absmax\"))"
	refuses 65 "$q.nested_absmax: is missing" st-import bad
	header "with_entries(.key |= sub(\"$q.quant_state\"; \"x.quant_state\"))"
	refuses 65 u8 st-import bad
	header "with_entries(.key |= sub(\"__nf4\"; \"__fp4\"))"
	refuses 65 quant_type st-import bad
	header "to_entries | (.[] | select(.key == \"$q.absmax\").value.dtype) =
		\"I8\" | from_entries"
	refuses 65 absmax st-import bad
	# the books of two weights' codes and scales in each other's place
	copy $bnb/fp4_single/model
	header "(.[\"$q.quant_map\"].data_offsets) as \$m |
		.[\"$q.quant_map\"].data_offsets =
		[.[\"$q.absmax\"].data_offsets[0], .[\"$q.absmax\"].data_offsets[0] + 64]"
	refuses 65 '' st-import bad
	sed 's/"blocksize": 64/"blocksize": 63/' "$from/model.safetensors" \
		> bad/model.safetensors
	refuses 65 blocksize st-import bad
	sed 's/"blocksize": 64/"blocksize": 32/' "$from/model.safetensors" \
		> bad/model.safetensors
	refuses 65 absmax st-import bad
	sed 's/\("fp4", .*\)"shape": \[64, 64\]/\1"shape": [64, 65]/' \
		"$from/model.safetensors" > bad/model.safetensors
	refuses 65 '' st-import bad
	LC_ALL=C sed 's/\xab\xaa\xaa\x3b\xab/\xab\xaa\xaa\x3c\xab/' \
		"$from/model.safetensors" > bad/model.safetensors
	refuses 65 "quant_map: is not bitsandbytes' own" st-import bad
	copy $bnb/fp4_single/model
	config '.quantization_config.load_in_8bit = true'
	refuses 65 bitsandbytes st-import bad
	config 'del(.quantization_config)'
	refuses 65 '' st-import bad
	copy "$llama"
	config '.quantization_config = {"load_in_4bit": true}'
	refuses 65 'none is there' st-import bad
}

# llama as a part of a model that sees: PREFIX of layers, of the head
whole() {
	copy "$llama"
	header "with_entries(.key |= (sub(\"^model\\\\.\"; \"$1\") |
		sub(\"^lm_head\"; \"$2\")))"
	config '{architectures: ["LlavaForConditionalGeneration"],
		model_type: "llava", image_token_index: 255,
		vision_config: {hidden_size: 8}, dtype, tie_word_embeddings,
		text_config: (del(.architectures) | del(.dtype) |
			del(.tie_word_embeddings))}'
}

@test "the text model of a larger one, under both spellings of its names" {
	st-import -o want.st "$llama"
	for p in 'model.language_model. lm_head' \
		'language_model.model. language_model.lm_head'; do
		whole ${p% *} ${p#* }
		st-import -o got.st bad
		st-export --to hf --force out got.st
		st-export --to hf --force plain want.st
		cmp out/model.safetensors plain/model.safetensors
		jq -e '.architectures == ["LlamaForCausalLM"] and
			.tie_word_embeddings == false and
			.dtype == "float32"' out/config.json
		data > d.jsonl
		"$BIN/eval" -t loss -d d.jsonl bad > a
		"$BIN/eval" -t loss -d d.jsonl "$llama" | cmp - a
	done
}

@test "what is no text in a larger model is refused by name" {
	whole model.language_model. lm_head
	header 'with_entries(.key |= (sub("^model\\."; "model.language_model.") |
		sub("language_model.norm"; "vision_tower.norm")))'
	refuses 65 model.vision_tower.norm.weight st-import bad
	[[ $stderr == *'no part of the model of text'* ]]
	config '{model_type: "llava", text_config: {model_type: "mamba"}}'
	refuses 65 'state space' st-import bad
}

@test "a key that changes the mathematics is refused by its name" {
	while read -r model key value; do
		copy "$golden/A/$model/model"
		config "$key = $value"
		refuses 65 "${key##*.}" st-import bad
		[[ $stderr == *config.json* ]]
	done << '	EOF'
	gpt2 .scale_attn_by_inverse_layer_idx true
	gpt2 .scale_attn_weights false
	gpt2 .add_cross_attention true
	gpt2 .activation_function "relu"
	starcoder2 .norm_type "rms_norm"
	starcoder2 .mlp_type "gated"
	falcon .alibi true
	falcon_old .apply_residual_connection_post_layernorm true
	falcon .activation "silu"
	granite .shared_intermediate_size 128
	granite .position_embedding_type "nope"
	cohere .use_qk_norm true
	cohere .sliding_window 8
	cohere .rope_parameters.new_trick 3
	phi .qk_layernorm true
	smollm3 .use_sliding_window true
	llama .is_encoder_decoder true
	EOF
}

@test "turned weights go in and out as they came" {
	local gpt2=$golden/A/gpt2/model
	st-import -o base.st "$gpt2"
	st-ls base.st | grep -q '192x64 .*c_attn.weight'
	st-export --to hf out base.st
	st-export --to hf --dtype bf16 half base.st
	st-import out | cmp - base.st
	st-import half > half.st
	st-import --dtype bf16 base.st > want.st
	st-export --to hf want want.st
	st-export --to hf back half.st
	cmp want/model.safetensors half/model.safetensors
	cmp want/model.safetensors back/model.safetensors
	cmp out/config.json "$gpt2/config.json"
	n=$(od -An -tu8 -N8 out/model.safetensors | tr -d ' ')
	tail -c +9 out/model.safetensors | head -c "$n" |
		jq -e '.["transformer.h.0.attn.c_attn.weight"].shape == [64, 192]'
}

# As the published checkpoint has them.
@test "names without their prefix get it, and masks are left out" {
	copy "$golden/A/gpt2/model"
	header 'with_entries(.key |= sub("^transformer\\."; ""))'
	st-import -o want.st "$from"
	st-import bad | cmp - want.st
}

@test "an adapter that PEFT trained on turned weights" {
	st-import -o a.st "$golden/A/gpt2/adapter"
	st-export --to peft out a.st
	jq -e .fan_in_fan_out out/adapter_config.json
	st-import out | st-diff - a.st
	data > d.jsonl
	peft-step -q -A out -n 2 -g 1 -d d.jsonl "$golden/A/gpt2/model" -o b.st
	st-export --to peft trained b.st
	jq -e .fan_in_fan_out trained/adapter_config.json
	merge-adapter -q --verify 20 "$golden/A/gpt2/model" a.st -o merged.st
	st-export --to hf merged merged.st
	"$BIN/eval" -t loss -d d.jsonl merged.st > want
	"$BIN/eval" -t loss -d d.jsonl merged | cmp - want
}
