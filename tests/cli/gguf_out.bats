#!/usr/bin/env bats
# gguf_out.bats - models and adapters as GGUF, and back
bats_require_minimum_version 1.5.0

golden=$BATS_TEST_DIRNAME/../golden
model=$golden/A/llama/model

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	jq -n -c '[range(40) | (. * 37 + 3) % 60] | {input_ids: ., labels: .}' \
		> data.jsonl
}

# refuses STATUS WORD COMMAND ...: one line that has WORD in it, nothing left
refuses() {
	local status=$1 word=$2
	shift 2
	run -"$status" --separate-stderr "$@"
	[ "${#stderr_lines[@]}" -eq 1 ] || { echo "$stderr"; return 1; }
	[[ $stderr == *"$word"* ]] || { echo "$stderr"; return 1; }
	[ ! -e out.gguf ]
	[ -z "$(find . -name '.*.??????')" ] || { ls -A; return 1; }
}

# losses FILE MODEL [ADAPTER]
losses() {
	"$BIN/eval" -q -t loss -d data.jsonl \
		--per-token "$1" ${3:+-A "$3"} "$2" > /dev/null
}

# agree FILE FILE: the losses in them
agree() {
	jq -e -n --slurpfile a <(jq '.[]' "$1") --slurpfile b \
		<(jq '.[]' "$2") '($a | length) == ($b | length) and
		([range($a | length) | ($a[.] - $b[.]) | fabs] | max < 5e-6)'
}

# The model after a way through GGUF: the same losses, to the bit.
@test "every family comes back" {
	for m in falcon falcon_old gpt2 gpt_neox granite llama llama3_tied \
		llama_bf16 llama_f16 llama_yarn mistral olmo2 phi phi3 qwen2 \
		qwen3 smollm3 stablelm starcoder2; do
		run st-export --to gguf $m.gguf "$golden/A/$m/model"
		# llama.cpp has Falcon without biases, and positions in three
		# of four layers of SmolLM3
		[[ $m$output == falcon*'no bias'* ]] && continue
		[[ $m$output == smollm3*turns* ]] && continue
		[ "$status" -eq 0 ] || { echo "$m: $output"; return 1; }
		losses a.json "$golden/A/$m/model"
		losses b.json $m.gguf
		cmp a.json b.json || { echo "$m"; return 1; }
	done
}

@test "a model that llama.cpp would compute otherwise is refused" {
	refuses 65 scale st-export --to gguf out.gguf "$golden/A/gemma2/model"
	st-import -o base.st "$model"
	cp -r "$model" bad
	chmod -R u+w bad
	jq '.rope_parameters = null | .rope_theta = 10000 | .rope_scaling =
		{"rope_type":"yarn","factor":4,"truncate":false,
		"original_max_position_embeddings":32}' "$model/config.json" \
		> bad/config.json
	refuses 65 truncate st-export --to gguf out.gguf bad
	refuses 65 config.json st-export --to gguf out.gguf \
		"$model/model.safetensors"
}

@test "the types of numbers, and blocks" {
	st-import -o base.st "$model"
	for t in f32 f16 bf16 q8_0 q4_0; do
		st-export --to gguf --dtype $t $t.gguf base.st
		st-import --blocks keep -o $t.st $t.gguf
		st-export --to gguf again.gguf $t.st
		cmp $t.gguf again.gguf
		rm again.gguf
	done
	st-ls q4_0.st | grep -q 'q4_0.*q_proj'
	st-ls q4_0.st | grep -q 'q8_0.*embed_tokens'
	st-ls q8_0.st | grep -q 'f32.*norm'
	# what is quantised otherwise is decoded
	quantize-nf4 -o nf4.st base.st
	st-export --to gguf nf4.gguf nf4.st
	st-export --to hf --dtype bf16 nf4 nf4.st
	st-import -o a.st nf4
	st-import -o b.st nf4.gguf
	[ -z "$(st-diff a.st b.st | grep proj)" ]
	refuses 64 'only a GGUF' st-export --to hf --dtype q8_0 out base.st
}

@test "a file is whole or not there, and is not written over" {
	st-import -o base.st "$model"
	st-export --to gguf m.gguf base.st
	cp m.gguf was
	refuses 73 'is there already' st-export --to gguf m.gguf base.st
	cmp m.gguf was
	st-export --force --to gguf --dtype f16 m.gguf base.st
	! cmp -s m.gguf was
	refuses 73 'no regular file' st-export --to gguf . base.st
	refuses 73 nowhere st-export --to gguf nowhere/out.gguf base.st
	refuses 64 'name the file' st-export --to gguf
	for n in 100 5000 100000; do
		head -c $n base.st > cut.st
		refuses 65 cut.st st-export --to gguf out.gguf cut.st
	done
	refuses 65 'two bases' st-export --to gguf out.gguf base.st base.st
	st-export --to gguf - < base.st > stdout && false
	# a pipe gives the file that an operand gives
	st-export --to gguf pipe.gguf < base.st
	cmp pipe.gguf was
}

@test "an adapter goes out and comes back" {
	st-export --to gguf m.gguf "$model"
	for a in lora_adamw rslora lora_qv_patterns; do
		st-export --to gguf --base "$model" $a.gguf \
			"$golden/B/$a/init"
		st-export --to gguf --base m.gguf same.gguf "$golden/B/$a/init"
		cmp $a.gguf same.gguf
		losses a.json "$model" "$golden/B/$a/init"
		losses b.json "$model" $a.gguf
		agree a.json b.json
		rm same.gguf
	done
	# one scale for all: the same numbers
	st-import -o a.st "$golden/B/lora_adamw/init"
	st-import -o b.st lora_adamw.gguf
	[ -z "$(st-diff a.st b.st | grep tensor)" ]
	merge-adapter -o a.merged "$model" a.st
	merge-adapter -o b.merged "$model" lora_adamw.gguf
	[ -z "$(st-diff a.merged b.merged)" ]
}

@test "an adapter that llama.cpp cannot have is refused" {
	refuses 64 --base st-export --to gguf out.gguf "$golden/B/rslora/init"
	refuses 64 q8_0 st-export --to gguf --dtype q8_0 --base "$model" \
		out.gguf "$golden/B/rslora/init"
	refuses 64 --base st-export --to hf --base "$model" out "$model"
	refuses 65 merge-adapter st-export --to gguf --base "$model" out.gguf \
		"$golden/B/dora/init"
	refuses 65 combine-adapters st-export --to gguf --base "$model" \
		out.gguf "$golden/B/adalora/final"
	refuses 65 merge-adapter st-export --to gguf --base "$model" out.gguf \
		"$golden/B/lora_modules_to_save/init"
	echo '{"rules": [{"modules": ["q_proj"], "adapter": {"rank": 4}},
		{"modules": ["v_proj"], "adapter": {"method": "dora"}}]}' > r
	lora-init -q --only --recipe r -o rules.st "$model"
	refuses 65 'has rules' st-export --to gguf --base "$model" out.gguf \
		rules.st
	refuses 65 'no such module' st-export --to gguf --base \
		"$golden/A/gpt2/model" out.gguf "$golden/B/rslora/init"
	refuses 66 nowhere st-export --to gguf --base nowhere out.gguf \
		"$golden/B/rslora/init"
	refuses 65 config.json st-export --to gguf --base \
		"$golden/B/rslora/init" out.gguf "$golden/B/rslora/init"
	st-import -o base.st "$model"
	refuses 65 'two bases or adapters' st-export --to gguf --base base.st \
		out.gguf base.st "$golden/B/rslora/init"
}

# What AdaLoRA learned is a LoRA adapter of its own kind, which goes.
@test "an adapter of another kind goes by combine-adapters" {
	combine-adapters -o lora.st "$golden/B/adalora/final"
	st-export --to gguf --base "$model" a.gguf lora.st
	losses a.json "$model" lora.st
	losses b.json "$model" a.gguf
	agree a.json b.json
}

# chars TOKENS: a model with a tokenizer of characters, and chats
chars() {
	cp -r "$model" chars
	chmod -R u+w chars
	jq -n --argjson n "$1" '([range(32; 127) | [.] | implode] + ["\n"])
		as $c | {version: "1.0", added_tokens: [{id: ($n - 1),
		content: "</s>", special: true}], model: {type: "BPE", vocab:
		([range($n - 1) | {key: ($c[.] // "pad\(.)"), value: .}]
		| from_entries), merges: []}}' > chars/tokenizer.json
	jq -n '{eos_token: "</s>"}' > chars/tokenizer_config.json
	jq -nc 'range(4) | {messages: [{role: "user", content: "say \(.)"},
		{role: "assistant", content: "it is \(. * 7)"}]}' > chat.jsonl
}

# llama.cpp's adapters have two factors of a linear layer and nothing else:
# the merged model has the rows.
@test "trained rows of tokens are refused, and go with the merged model" {
	chars 256
	add='--template chatml --add-token <|im_start|> --add-token <|im_end|>'
	peft-step -q -n 2 -g 1 -r 2 -d chat.jsonl $add -o a.st chars
	refuses 65 'merge-adapter merges it into its base' st-export \
		--to gguf --base chars out.gguf a.st
	st-export --to gguf --base chars out.gguf < a.st 2> said && false
	[ "$(wc -l < said)" -eq 1 ]
	[ ! -e out.gguf ]
	# nor over a file that is there
	echo mine > there.gguf
	refuses 65 token st-export --force --to gguf --base chars \
		there.gguf a.st
	[ "$(cat there.gguf)" = mine ]
	# the nearest thing that works, as the message says
	merge-adapter -q --dtype f32 -o merged.st chars a.st
	st-ls merged.st | grep -q 'embed .* 258x64 '
}

@test "other adapters that a GGUF cannot hold, one line each" {
	for kind in prompt prefix; do
		lora-init -q --only --method $kind --virtual-tokens 4 \
			-o soft.st "$model"
		refuses 65 'llama.cpp has no adapters of the kind' st-export \
			--to gguf --base "$model" out.gguf soft.st
		[[ $stderr == *"$([ $kind = prompt ] && echo merge-adapter ||
			echo --to peft)"* ]]
	done
	for kind in adalora 'qalora --qalora-group-size 32' iec; do
		lora-init -q --only --method $kind -r 3 -o kind.st "$model"
		refuses 65 'combine-adapters --lora makes LoRA of' st-export \
			--to gguf --base "$model" out.gguf kind.st
		combine-adapters --lora kind.st | st-export --force --to gguf \
			--base "$model" made.gguf
	done
	for bias in all lora_only; do
		lora-init -q --only --bias $bias -o bias.st "$model"
		refuses 65 'merge-adapter merges it into its base' st-export \
			--to gguf --base "$model" out.gguf bias.st
	done
}

# general FILE: what it says of itself
general() {
	rm -rf hf
	st-export --to hf --dtype f32 hf "$1"
	jq -S . hf/gguf.json
}

@test "what a GGUF says of itself goes through" {
	cp -r "$model" own
	chmod u+w own
	cat > own/gguf.json <<- 'END'
	{"general.name": {"string": "Weaver \"7\" ñ"},
	"general.license": {"string": "apache-2.0"},
	"general.author": {"string": ""},
	"general.tags": {"string": ["chat", "tiny", ""]},
	"general.languages": {"string": []},
	"general.base_model.count": {"uint32": 4294967295},
	"general.base_model.0.name": {"string": "Loom"},
	"general.sampling.temp": {"float32": 0.7},
	"general.x.f64": {"float64": [0.1, -1e300]},
	"general.x.yes": {"bool": [true, false]},
	"general.x.i8": {"int8": [-128, 127]},
	"general.x.u8": {"uint8": 255},
	"general.x.i16": {"int16": -32768}, "general.x.u16": {"uint16": 65535},
	"general.x.i32": {"int32": -2147483648},
	"general.x.i64": {"int64": -9007199254740992},
	"general.x.u64": {"uint64": 9007199254740992}}
	END
	jq -S . own/gguf.json > want.json
	cp want.json own/gguf.json
	st-export --to gguf own.gguf own
	st-import -o own.st own.gguf
	general own.st > got.json
	cmp want.json got.json
	# a directory keeps it, quantised and merged files have it
	st-export --to gguf again.gguf hf
	cmp own.gguf again.gguf
	quantize-nf4 -o nf4.st own.gguf
	st-export --to gguf nf4.gguf nf4.st
	merge-adapter -q -o merged.st own.gguf "$golden/B/lora_adamw/init"
	st-export --to gguf --dtype q8_0 merged.gguf merged.st
	for f in nf4.gguf merged.gguf; do
		general $f > got.json
		cmp want.json got.json
	done
	# a name that is given is the name
	st-export --to gguf --base-name Other named.gguf own.st
	general named.gguf > got.json
	jq -S '."general.name".string = "Other"' want.json > other.json
	cmp other.json got.json
}

@test "what the file is, is said anew" {
	cp -r "$model" own
	chmod u+w own
	st-export --to gguf plain.gguf "$model"
	jq -n '{"general.architecture": {string: "gpt2"}, "general.type":
		{string: "adapter"}, "general.file_type": {uint32: 7},
		"general.quantization_version": {uint32: 9},
		"general.alignment": {uint32: 4096}, "tokenizer.ggml.model":
		{string: "x"}, "llama.block_count": {uint32: 9}}' \
		> own/gguf.json
	st-export --to gguf own.gguf own
	cmp own.gguf plain.gguf
}

@test "a gguf.json that is none is refused" {
	cp -r "$model" own
	chmod u+w own
	while read -r text; do
		echo "$text" > own/gguf.json
		refuses 65 'gguf.json: ' st-export --to gguf out.gguf own
	done <<- 'END'
	[]
	{
	7
	{"general.x": 1}
	{"general.x": {}}
	{"general.x": ["string"]}
	{"general.x": {"string": "a", "bool": true}}
	{"general.x": {"text": "a"}}
	{"general.x": {"array": ["a"]}}
	{"general.x": {"string": 1}}
	{"general.x": {"string": ["a", 1]}}
	{"general.x": {"string": [["a"]]}}
	{"general.x": {"string": null}}
	{"general.x": {"uint8": 256}}
	{"general.x": {"uint8": -1}}
	{"general.x": {"int8": -129}}
	{"general.x": {"uint32": 1.5}}
	{"general.x": {"uint32": "1"}}
	{"general.x": {"uint32": true}}
	{"general.x": {"bool": 1}}
	{"general.x": {"uint64": 1e300}}
	{"general.x": {"float32": 1e39}}
	{"general.x": {"float32": {}}}
	END
	jq -n '{"general.x": {bool: [range(4097) | true]}}' > own/gguf.json
	refuses 65 'too long' st-export --to gguf out.gguf own
	jq -n '{"general.x": {string: ("x" * 1048577)}}' > own/gguf.json
	refuses 65 'is no text' st-export --to gguf out.gguf own
}

# in_file FROM TO: a GGUF with other words of the same length in it
in_file() {
	[ ${#1} -eq ${#2} ]
	LC_ALL=C sed "s/$1/$2/" scaled.gguf > other.gguf
	! cmp -s scaled.gguf other.gguf
}

@test "what the metadata say is read, or refused by its name" {
	cp -r "$model" linear
	chmod -R u+w linear
	jq '.rope_parameters = null | .rope_theta = 10000 | .rope_scaling =
		{"rope_type": "linear", "factor": 2}' "$model/config.json" \
		> linear/config.json
	st-export --to gguf scaled.gguf linear
	losses a.json linear
	losses b.json scaled.gguf
	cmp a.json b.json
	# A factor of no type is linear, as llama.cpp takes it.
	in_file llama.rope.scaling.type llama.free.remarks.type
	losses b.json other.gguf
	cmp a.json b.json
	# Numbers that nobody reads: 2 as a scale of logits, 128 as a cap.
	in_file llama.rope.scaling.factor llama.logit_scale_unheard
	refuses 65 'llama.logit_scale_unheard may change' st-import other.gguf
	in_file llama.context_length llama.attn_soft_capx
	refuses 65 'llama.attn_soft_capx may change' st-import other.gguf
	in_file llama.context_length llama.remarks_lengtx
	st-import -o x.st other.gguf
	in_file llama.context_length llama.experts_a_word
	refuses 65 'llama.experts_a_word may change' \
		"$BIN/eval" -t loss -d data.jsonl other.gguf
}
