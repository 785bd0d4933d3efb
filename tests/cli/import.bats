#!/usr/bin/env bats
# import.bats - foreign directories and files in, and what is refused
bats_require_minimum_version 1.5.0

golden=$BATS_TEST_DIRNAME/../golden
model=$golden/A/llama/model

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

# A copy of the model to spoil.
copy() {
	rm -rf bad
	cp -r "$model" bad
	chmod -R u+w bad
}

# header JQ-EXPRESSION: a model.safetensors whose header was edited
header() {
	local n json
	n=$(od -An -tu8 -N8 "$model/model.safetensors" | tr -d ' ')
	json=$(tail -c +9 "$model/model.safetensors" | head -c "$n" |
	       jq -c "$1")
	{
		printf '%016x' "${#json}" | sed 's/../\\x&\n/g' | tac |
		tr -d '\n' | xargs -0 printf
		printf %s "$json"
		tail -c +$((9 + n)) "$model/model.safetensors"
	} > bad/model.safetensors
}

@test "a directory and its stream are the same input" {
	st-import -o a.st "$model"
	st-import a.st | st-check
	quantize-nf4 "$model" | cmp - <(st-import "$model" | quantize-nf4) || {
		# the stream has one more program in its history
		st-diff <(quantize-nf4 "$model") <(quantize-nf4 a.st)
	}
}

@test "one file or several, the stream is the same" {
	st-import -o one.st "$model"
	st-export --to hf --shard-size 50000 shards one.st
	[ "$(find shards -name 'model-*.safetensors' | wc -l)" -gt 4 ]
	jq -e '.metadata.total_size > 300000' shards/model.safetensors.index.json
	st-import shards | cmp - one.st
	# One that was written over several is the model, and not their index.
	cp "$model/model.safetensors" shards
	rm shards/model-00001-of-*
	st-import shards | cmp - one.st
}

@test "side files travel byte for byte, and config.json comes first" {
	copy
	printf 'x\r\n\000y' > bad/tokenizer.model
	echo '{"a": 1.10}' > bad/special_tokens_map.json
	st-import -o a.st bad
	st-ls a.st | grep -m1 file/ | grep -q config.json
	st-export --to hf out a.st
	for f in config.json generation_config.json tokenizer.model \
		special_tokens_map.json; do
		cmp bad/$f out/$f
	done
}

@test "--dtype rounds, and says so in the stream" {
	st-import --dtype bf16 -o b.st "$model"
	st-import b.st | cmp - b.st && false
	st-export --to hf out b.st
	[ "$(jq -r .dtype out/config.json)" = bfloat16 ]
	st-import --dtype f32 out | st-export --to hf back
	[ "$(jq -r .dtype back/config.json)" = float32 ]
	st-import --dtype bf16 back | st-export --to hf again
	cmp out/model.safetensors again/model.safetensors
	run -64 st-import --dtype f8 "$model"
}

@test "a single file: by name, by content, as standard input, not by pipe" {
	st-import -o a.st "$model/model.safetensors"
	cp "$model/model.safetensors" nameless
	st-import nameless | cmp - a.st
	st-import < nameless | cmp - a.st
	refuses 65 pipe bash -c 'cat nameless | st-import > out.st'
}

@test "pickles are not read" {
	copy
	mv bad/model.safetensors bad/pytorch_model.bin
	refuses 65 pickle st-import bad
	cp -r "$golden/B/rslora/init" adapter
	chmod -R u+w adapter
	mv adapter/adapter_model.safetensors adapter/adapter_model.bin
	refuses 65 pickle st-import adapter
}

@test "missing, cut and spoiled files" {
	copy; rm bad/model.safetensors
	refuses 66 model.safetensors st-import bad
	copy; truncate -s -1 bad/model.safetensors
	refuses 65 'end of the file' st-import bad
	copy; echo >> bad/model.safetensors
	refuses 65 'after the last' st-import bad
	copy; : > bad/model.safetensors
	refuses 65 model.safetensors st-import bad
	copy; rm bad/config.json
	refuses 66 config.json st-import bad
	copy; echo '{' > bad/config.json
	refuses 65 config.json st-import bad
	copy; echo '[]' > bad/config.json
	refuses 65 config.json st-import bad
	# A pipe without a writer would be waited for, and no size be known.
	for f in config.json model.safetensors tokenizer.json; do
		copy; rm -f bad/$f; mkfifo bad/$f
		refuses 65 "$f: no file" timeout 9 st-import bad
		copy; rm -f bad/$f; ln -s /dev/zero bad/$f
		refuses 65 "$f: no file" st-import bad
	done
	mkdir empty
	refuses 65 'known format' st-import empty
	refuses 66 nothing st-import nothing
}

@test "tensors that do not fit the model" {
	copy; header 'with_entries(.key |= sub("model.norm"; "model.morn"))'
	refuses 65 morn st-import bad
	copy; header 'with_entries(.key |= sub("layers.1"; "layers.2"))'
	refuses 65 '2 layers' st-import bad
	copy; header '.["lm_head.weight"].shape = [64, 256]'
	refuses 65 256x64 st-import bad
	copy; header '.["lm_head.weight"].dtype = "I32"'
	refuses 65 i32 st-import bad
	copy; header '.["lm_head.weight"].dtype = "F8_E4M3"'
	refuses 65 F8_E4M3 st-import bad
	copy; jq '.num_hidden_layers = 3' "$model/config.json" > bad/config.json
	refuses 65 'want 3' st-import bad
	copy; jq '.vocab_size = 255' "$model/config.json" > bad/config.json
	refuses 65 255x64 st-import bad
	copy; jq '.quantization_config = {quant_method: "gptq"}' \
		"$model/config.json" > bad/config.json
	refuses 65 gptq st-import bad
}

@test "a head that config.json ties is the embedding, and is left out" {
	copy; jq '.tie_word_embeddings = true' "$model/config.json" \
		> bad/config.json
	st-import bad | st-ls | grep -q lm_head && false
	st-import "$model" | st-ls | grep -q lm_head
}

@test "an index that lies" {
	st-import "$model" | st-export --to hf --shard-size 100000 good
	index=good/model.safetensors.index.json
	try() {
		rm -rf bad
		cp -r good bad
		jq "$2" $index > bad/model.safetensors.index.json
		refuses "${3-65}" "$1" st-import bad
	}
	try plain '.weight_map["model.norm.weight"] = "../good/x.safetensors"'
	try plain '.weight_map["model.norm.weight"] = "/etc/passwd"'
	try plain '.weight_map["model.norm.weight"] = 7'
	try 'not in the index' 'del(.weight_map["model.norm.weight"])'
	try 'index has it' '.weight_map["model.norm.weight"] =
		.weight_map["model.embed_tokens.weight"]'
	try 'in no file' '.weight_map["model.extra.weight"] =
		.weight_map["model.norm.weight"]'
	try weight_map 'del(.weight_map)'
	try nofile '.weight_map["a"] = "nofile.safetensors"' 66
}

@test "an adapter goes in and comes out the same" {
	for run in lora_qv_patterns lora_modules_to_save rslora; do
		st-import "$golden/B/$run/init" > a.st
		st-check a.st
		st-export --to peft $run a.st
		st-import $run | st-diff - a.st
	done
	jq -e '.rank_pattern["model.layers.1.self_attn.q_proj"] == 3' \
		lora_qv_patterns/adapter_config.json
	jq -e '.use_rslora' rslora/adapter_config.json
}

@test "an adapter in 16 bits is read as f32" {
	for type in bf16 f16; do
		st-import "$golden/B/rslora/init" |
		st-export --to peft --dtype $type $type
		st-import $type > a.st
		st-ls a.st | grep -q 'f32 .*lora_A'
		st-export --to peft --dtype $type again-$type a.st
		cmp $type/adapter_model.safetensors \
			again-$type/adapter_model.safetensors
	done
	size=$(stat -c %s bf16/adapter_model.safetensors)
	[ "$size" -lt $(($(stat -c %s \
		"$golden/B/rslora/init/adapter_model.safetensors") * 3 / 4)) ]
}

@test "GPT-2's matrices that were trained whole lie as its checkpoint has them" {
	m=$golden/A/gpt2/model
	shapes() { # FILE: of the tensors that are not LoRA's
		head -c "$((8 + $(od -An -tu8 -N 8 "$1")))" "$1" | tail -c +9 |
			jq -c 'to_entries | map(select(.key | test("c_(fc|proj)|wte")
				and (test("lora") | not)) | {key: (.key |
				ltrimstr("base_model.model.")), value:
				.value.shape}) | from_entries'
	}
	jq -nc 'range(3) | [range(3; 30)] | {input_ids: ., labels: .}' > ids
	peft-step -q -r 2 -n 2 -g 1 --lr 1e-2 -d ids --target-modules c_attn \
		--modules-to-save c_fc,c_proj,wte "$m" -o a.st
	for type in f32 bf16; do
		st-export --to peft --dtype $type gpt2-$type < a.st
	done
	shapes "$m/model.safetensors" > want
	shapes gpt2-f32/adapter_model.safetensors > got
	jq -se '.[0] as $want | .[1] | length == 13 and (to_entries |
		all(.value == $want[.key]))' want got
	st-import gpt2-f32 > back.st
	run st-diff back.st a.st
	! [[ $output == *tensor* ]]
	st-import gpt2-bf16 > rounded.st
	st-diff --tolerance 4e-3 rounded.st a.st > diff || true
	! grep tensor diff
	# Merged, and as a directory, it is the same model.
	merge-adapter -q --verify 64 "$m" gpt2-f32 -o m.st
	st-export --to hf gpt2-merged < m.st
	[ "$("$BIN/eval" -t loss -d ids gpt2-merged)" = \
		"$("$BIN/eval" -t loss -d ids m.st)" ]
	"$BIN/eval" -t loss -d ids "$m" a.st > beside
	"$BIN/eval" -t loss -d ids m.st |
		jq -se '.[0].loss - .[1].loss | fabs < 1e-5' - beside
}

@test "the first pattern of an adapter's file wins" {
	cp -r "$golden/B/lora_qv_patterns/init" adapter
	chmod -R u+w adapter
	jq '.alpha_pattern = {"layers.*v_proj": 7, "v_proj": 5, ".*": 9}' \
		"$golden/B/lora_qv_patterns/init/adapter_config.json" \
		> adapter/adapter_config.json
	st-import adapter | st-export --to peft out
	jq -ce '.alpha_pattern == {
		"model.layers.1.self_attn.q_proj": 9,
		"model.layers.1.self_attn.v_proj": 7}' out/adapter_config.json
}

@test "adapters that are not understood" {
	config=$golden/B/rslora/init/adapter_config.json
	try() {
		rm -rf bad
		cp -r "$golden/B/rslora/init" bad
		chmod -R u+w bad
		jq "$2" "$config" > bad/adapter_config.json
		refuses 65 "$1" st-import bad
	}
	try LOHA '.peft_type = "LOHA"'
	try peft_type 'del(.peft_type)'
	try lora_magnitude_vector '.use_dora = true'
	try qalora_group_size '.use_qalora = true | .qalora_group_size = 1.5'
	try lora_B_bias '.lora_bias = true'
	try bias '.bias = "some"'
	try layer_replication '.layer_replication = [[0, 1]]'
	try new_option '.new_option = 3'
	try pissa '.init_lora_weights = "pissa"'
	try lora_alpha '.lora_alpha = -1'
	try lora_alpha '.r = 0'
	try lora_alpha '.r = 2.5'
	try lora_alpha '.lora_dropout = 1e300'
	try rank_pattern '.rank_pattern = {"q_proj": 1.5}'
	try alpha_pattern '.alpha_pattern = [1]'
	try 'alpha_pattern' '.alpha_pattern = {"(": 1}'
	try target_modules '.target_modules = [1]'
	try modules_to_save '.modules_to_save = {}'
}

@test "damaged files of an adapter" {
	cp -r "$golden/B/rslora/init" bad
	chmod -R u+w bad
	truncate -s -4 bad/adapter_model.safetensors
	refuses 65 adapter_model.safetensors st-import bad
	rm bad/adapter_model.safetensors
	refuses 66 adapter_model.safetensors st-import bad
	cp "$model/model.safetensors" bad/adapter_model.safetensors
	refuses 65 base_model.model. st-import bad
}

@test "the real model: the digests of its decoded tensors" {
	[ -n "${WEFT_MODEL-}" ] || skip "WEFT_MODEL is not set"
	st-import -o m.st "$WEFT_MODEL"
	st-export --to hf hf m.st
	st-import hf | st-diff - m.st
	jq -e '.model_type == "llama" and .tie_word_embeddings and
		.num_hidden_layers == 30' hf/config.json
	[ "$(jq .model.vocab hf/tokenizer.json | wc -l)" -eq 49154 ]
}

@test "GGUF: cut anywhere in its head, it is refused" {
	[ -n "${WEFT_MODEL-}" ] || skip "WEFT_MODEL is not set"
	for n in 0 3 4 23 24 1000 1000000 1785600 2000000; do
		head -c $n "$WEFT_MODEL" > cut.gguf
		refuses 65 cut.gguf st-import cut.gguf
	done
}

@test "additional chat templates travel byte for byte, and nothing else does" {
	copy
	mkdir bad/additional_chat_templates
	printf '{{ a }}\r\n\377' > bad/additional_chat_templates/tool_use.jinja
	printf x > bad/additional_chat_templates/rag.jinja
	echo no > bad/additional_chat_templates/.hidden.jinja
	echo no > bad/additional_chat_templates/notes.txt
	st-import bad | st-export --to hf out
	rm bad/additional_chat_templates/{.hidden.jinja,notes.txt}
	diff -r bad/additional_chat_templates out/additional_chat_templates
	# over a model that is there
	st-import bad | st-export --force --to hf out
	diff -r bad/additional_chat_templates out/additional_chat_templates
	# a failure leaves nothing
	run -65 --separate-stderr st-export --to hf left < \
		<(st-import bad | head -c 2000)
	[ -z "$(find . -name '*left*')" ]
	# limits
	mkdir bad/additional_chat_templates/a.jinja
	run -65 --separate-stderr st-import -o no.st bad
	[ "${#stderr_lines[@]}" -eq 1 ]
	rmdir bad/additional_chat_templates/a.jinja
	head -c 1048577 /dev/zero > bad/additional_chat_templates/a.jinja
	run -65 --separate-stderr st-import -o no.st bad
	[[ "$stderr" == *"larger than 1048576"* ]]
	rm bad/additional_chat_templates/a.jinja
	for i in {1..63}; do : > "bad/additional_chat_templates/$i.jinja"; done
	run -65 --separate-stderr st-import -o no.st bad
	[[ "$stderr" == *"more than 64"* ]]
	[ ! -e no.st ]
}
