#!/usr/bin/env bats
# soft.bats - soft prompts from end to end: prompt and prefix tuning, many on one
# base, to PEFT and back, and as tokens
bats_require_minimum_version 1.5.0
load refuses.sh

golden=$PWD/tests/golden
kinds='prompt prefix'

setup_file() {
	export T=$BATS_FILE_TMPDIR M=$BATS_FILE_TMPDIR/model
	cp -r tests/golden/A/llama/model "$M"
	# A tokenizer of bytes, with two that no text holds for beginning and end.
	jq -nc '"0123456789ABCDEF" / "" | [.[] as $a | .[] as $b | "<0x\($a)\($b)>"]
		| {added_tokens: [], model: {type: "BPE", byte_fallback: true,
			merges: [], vocab: (to_entries | map({key: .value,
			value: .key}) | from_entries)}, decoder: {type:
			"Sequence", decoders: [{type: "ByteFallback"},
			{type: "Fuse"}]}}' > "$M/tokenizer.json"
	jq -nc '{bos_token: "<0x01>", eos_token: "<0x00>", chat_template:
		"{% for m in messages %}{{ m.content }}:{% endfor %}"}' \
		> "$M/tokenizer_config.json"
	jq -nc 'range(12) | {prompt: "\(.) and 1 are",
		completion: " \(. + 1)", task: (if . % 2 == 0 then "even" else
		"odd" end)}' > "$T/sums.jsonl"
	"$BIN/st-import" -o "$T/base.st" "$M"
	"$BIN/quantize-nf4" -o "$T/nf4.st" "$T/base.st"
	for k in $kinds; do
		"$BIN/peft-step" -q --method "$k" --virtual-tokens 4 -n 6 \
			-g 2 --lr 2e-2 --seed 3 -d "$T/sums.jsonl" \
			"$T/base.st" -o "$T/$k.st"
	done
	"$BIN/peft-step" -q --method prompt --virtual-tokens 7 -n 6 -g 2 \
		--lr 5e-2 -d "$T/sums.jsonl" "$T/base.st" -o "$T/other.st"
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
}

train() { # OUTPUT OPTION ...
	local to=$1
	shift
	peft-step -q -d sums.jsonl -n 8 -g 2 --lr 2e-2 -o "$to" "$@"
}

measure() { # eval, which is a shell's builtin too
	"$BIN/eval" "$@"
}

# ---- training ----

@test "lora-init makes what peft-step makes of itself, and trains it" {
	for k in $kinds; do
		o="--method $k --virtual-tokens 5 --seed 9"
		train self.st $o base.st
		lora-init $o base.st | train init.st --seed 9
		run st-diff self.st init.st
		! [[ $output == *tensor* ]]
		[[ "$(st-ls self.st)" == *"5x"*prompt.* ]]
	done
}

@test "what trains falls, on any storage of the base" {
	for b in base.st nf4.st; do
		for k in $kinds; do
			train out.st --method "$k" --log log "$b"
			jq -se '.[-1].loss < .[0].loss' log
		done
	done
}

@test "a run that is stopped and continued is the same bytes" {
	for k in $kinds; do
		train whole.st --method "$k" base.st
		train half.st --method "$k" --stop-after 3 base.st
		train rest.st -A half.st base.st
		cmp whole.st rest.st
	done
}

@test "threads, a pipe, layers computed twice and parts change no byte" {
	for k in $kinds; do
		o="--method $k -b 6 --length 64"
		train one.st $o -j 1 nf4.st
		train two.st $o -j 3 nf4.st
		train three.st $o < nf4.st
		cmp one.st two.st
		cmp one.st three.st
		for kb in 300 400 500 600 700 800 1000 2000; do
			peft-step -q -d sums.jsonl $o -n 8 -g 2 --lr 2e-2 \
				-m "${kb}K" nf4.st -o least.st 2> err && break
		done
		cmp one.st least.st
	done
}

@test "packed, a sample is what it is alone" {
	for k in $kinds; do
		train a.st --method "$k" -b 12 -g 1 --no-shuffle base.st
		train b.st --method "$k" -b 12 -g 1 --no-shuffle --no-pack \
			base.st
		measure -t loss -d sums.jsonl base.st a.st > out.a
		measure -t loss -d sums.jsonl base.st b.st > out.b
		jq -se '(.[0].loss - .[1].loss) | fabs < 1e-5' out.a out.b
		measure -t loss -d sums.jsonl --per-token all base.st a.st
		for i in 1 7 12; do
			sed -n "${i}p" sums.jsonl > one.jsonl
			measure -t loss -d one.jsonl --per-token one base.st a.st
			[ "$(sed -n "${i}p" all)" = "$(cat one)" ]
		done
	done
}

@test "peft-step measures what eval measures" {
	for k in $kinds; do
		train out.st --method "$k" --eval-data sums.jsonl --log log \
			base.st
		measure -t loss -d sums.jsonl base.st out.st > loss
		[ "$(tail -n 1 log | jq .eval_loss)" = "$(jq .loss loss)" ]
	done
}

@test "a prompt predicts the first token, a prefix does not" {
	jq -nc 'range(3) | {text: "some text \(.)"}' > text.jsonl
	for k in $kinds; do
		measure -t loss -d text.jsonl base.st $k.st | jq .tokens
	done > counts
	[ "$(jq -s '.[0] - .[1]' counts)" -eq 3 ]
}

@test "a prompt begins as rows of the vocabulary, as a text, or at random" {
	o='--only --method prompt --virtual-tokens 4'
	lora-init $o base.st > a.st
	lora-init $o --prompt-init vocab base.st > b.st
	lora-init $o --prompt-init-text ab base.st > text.st
	lora-init $o --prompt-init random base.st > random.st
	st-diff a.st b.st || [ $? -eq 1 ]
	for a in a text random; do
		rm -rf "$a"
		st-export --to peft "$a" < "$a.st"
	done
	"$BIN/st-export" --to hf hf < base.st
	rows() { # FILE COLUMN: a row a line, in hexadecimal
		tail -c +"$((9 + $(od -An -tu8 -N 8 "$1")))" "$1" |
			od -An -v -tx4 -w256
	}
	rows text/adapter_model.safetensors > t
	[ "$(sed -n 1p t)" = "$(sed -n 3p t)" ]
	[ "$(sed -n 1p t)" != "$(sed -n 2p t)" ]
	[ "$(sed -n 2p t)" = "$(sed -n 4p t)" ]
	lora-init $o --seed 5 base.st > c.st
	run ! cmp -s a.st c.st
}

@test "options that make no sense are refused, in one line" {
	refuses 64 'stands before the text' peft-step --method prompt \
		--target-modules q_proj -d sums.jsonl base.st
	refuses 64 'stands before the text' lora-init --only --method prompt \
		-r 4 base.st
	refuses 64 'stands before the text' lora-init --only --method prefix \
		--bias all base.st
	refuses 64 '--virtual-tokens 0' lora-init --only --method prefix \
		--virtual-tokens 0 base.st
	refuses 64 'go together' lora-init --only --method prompt \
		--prompt-init text base.st
	refuses 64 'a prefix begins as' lora-init --only --method prefix \
		--prompt-init-text 'a text' base.st
	refuses 65 'has no token' lora-init --only --method prompt \
		--prompt-init-text '' base.st
	refuses 64 'begins in its own way' lora-init --only --method prompt \
		--init gaussian base.st
	st-import -o bare.st "$golden/A/llama/model"
	refuses 65 'tokenizer' lora-init --only --method prompt \
		--prompt-init-text a bare.st
	st-import -o neox.st "$golden/A/gpt_neox/model"
	refuses 78 'the model has' eval -t loss -d sums.jsonl neox.st prefix.st
	refuses 78 'has no sum' combine-adapters prompt.st other.st
}

# ---- PEFT ----

@test "PEFT's directories come in and go out with the same bytes" {
	for k in $kinds; do
		in=$golden/B/${k}_tuning/init
		rm -rf out
		st-import "$in" | st-export --to peft out
		cmp out/adapter_model.safetensors \
			"$in/adapter_model.safetensors"
		for key in peft_type num_virtual_tokens token_dim num_layers \
			num_attention_heads task_type; do
			[ "$(jq ".$key" out/adapter_config.json)" = \
				"$(jq ".$key" "$in/adapter_config.json")" ]
		done
		measure -t loss -d "$golden/B/data/data.jsonl" bare.st "$in" > out.a
		measure -t loss -d "$golden/B/data/data.jsonl" bare.st out > out.b
		cmp out.a out.b
	done
}

@test "a PEFT directory that is not whole is refused" {
	in=$golden/B/prefix_tuning/init
	change() { # EXPRESSION: in its adapter_config.json
		rm -rf bad
		cp -r "$in" bad
		chmod -R u+w bad
		jq "$1" "$in/adapter_config.json" > bad/adapter_config.json
	}
	change '.num_virtual_tokens = 9'
	refuses 65 'num_virtual_tokens is 9' st-import bad
	change '.num_layers = 3'
	refuses 65 'want 2 x 3 layers' st-import bad
	change '.num_layers = null'
	refuses 65 'does not say which model' st-import bad
	change '.token_dim = -1'
	refuses 65 'token_dim' st-import bad
	change '.num_transformer_submodules = 2'
	refuses 65 'decoder' st-import bad
	change '.modules_to_save = ["lm_head"]'
	refuses 65 'modules_to_save' st-import bad
	change '.peft_type = "PROMPT_TUNING"'
	refuses 65 'token_dim is 32' st-import bad
	change '.peft_type = "LORA"'
	refuses 65 '' st-import bad
	change '.'
	head -c 300 "$in/adapter_model.safetensors" \
		> bad/adapter_model.safetensors
	refuses 65 '' st-import bad
}

# ---- many on one base ----

@test "a record's field chooses its prompt, to the bits of one alone" {
	adapters='-A even=prompt.st -A odd=prefix.st'
	measure -t loss -d sums.jsonl $adapters --adapter-field task \
		--per-token mixed base.st > /dev/null
	measure -t loss -d sums.jsonl --per-token even base.st prompt.st \
		> /dev/null
	measure -t loss -d sums.jsonl --per-token odd base.st prefix.st \
		> /dev/null
	paste -d'\n' <(sed -n 'p;n' even) <(sed -n 'n;p' odd) | cmp - mixed
}

@test "choices, answers and tasks of files are asked with the field's prompt" {
	jq -nc 'range(6) | {prompt: "\(.) and 1 are", choices: [" \(. + 1)",
		" \(. + 2)"], answer: 0, task: (if . < 3 then "a" else "b" end)}' \
		> mc.jsonl
	jq -nc '{task: "t", data: "mc.jsonl", output_type: "multiple_choice",
		doc_to_text: "{{prompt}}", doc_to_choice: "{{choices}}",
		doc_to_target: "answer"}' > t.json
	for t in mc t.json; do
		d=$([ $t = mc ] && echo -d mc.jsonl || true)
		measure -t $t $d --log-samples mixed -A a=prompt.st -A b=other.st \
			--adapter-field task base.st > /dev/null
		measure -t $t $d --log-samples sa base.st prompt.st > /dev/null
		measure -t $t $d --log-samples sb base.st other.st > /dev/null
		{ head -n 3 sa; tail -n 3 sb; } | jq -c .resps > want
		jq -c .resps mixed | cmp - want
	done
}

@test "several adapters, of any kind, are measured one after the other" {
	peft-step -q -r 2 -n 2 -g 1 -d sums.jsonl base.st -o lora.st
	measure -t loss -d sums.jsonl -A prompt.st -A l=lora.st base.st > both
	[ "$(jq -c '.adapters | keys_unsorted' both)" = '["prompt","l"]' ]
	for a in prompt lora; do
		[ "$(measure -t loss -d sums.jsonl base.st $a.st | jq .loss)" = \
			"$(jq ".adapters.${a%ora}.loss" both)" ]
	done
	measure -t loss -d sums.jsonl -A prompt.st -A l=lora.st \
		--require 'loss<100' base.st > /dev/null
	run -1 "$BIN/eval" -t loss -d sums.jsonl -A prompt.st -A l=lora.st \
		--require 'loss<1' base.st
	refuses 78 'only soft prompts' eval -t loss -d sums.jsonl \
		-A even=prompt.st -A odd=lora.st --adapter-field task base.st
}

@test "a field or a name that is not there is refused" {
	two='-A even=prompt.st -A odd=prefix.st'
	refuses 65 'no text "job"' eval -t loss -d sums.jsonl $two \
		--adapter-field job base.st
	refuses 65 'no adapter has that name' eval -t loss -d sums.jsonl \
		-A even=prompt.st -A three=prefix.st --adapter-field task base.st
	refuses 64 "two adapters are called 'prompt'" eval -t loss \
		-d sums.jsonl -A prompt.st -A prompt=prefix.st base.st
	refuses 64 'no adapter' eval -t loss -d sums.jsonl \
		--adapter-field task base.st
	refuses 65 'name each' eval -t loss -d sums.jsonl base.st prompt.st \
		prefix.st
	tokenize --base base.st sums.jsonl > sums.st
	refuses 65 'no field' eval -t loss -d sums.st $two \
		--adapter-field task base.st
	refuses 64 'have no fields' eval -t loss $two \
		--adapter-field task base.st sums.st
	echo text > text.txt
	refuses 64 'no fields' eval -t ppl -d text.txt $two \
		--adapter-field task base.st
	refuses 64 'adapter-field says' generate -p a $two base.st
	refuses 64 'is for --data' generate -p a $two --adapter-field task \
		base.st
}

@test "generate writes for many records at once what it writes for each" {
	two='-A even=prompt.st -A odd=other.st --adapter-field task'
	generate -n 9 -b 1 -d sums.jsonl $two base.st > one.jsonl
	for b in 3 12; do
		generate -n 9 -b $b -j 2 -d sums.jsonl $two base.st | cmp - one.jsonl
	done
	[ "$(jq -c '[.prompt, .task]' one.jsonl)" = \
		"$(jq -c '[.prompt, .task]' sums.jsonl)" ]
	generate -n 5 --temperature 1 --seed 3 -b 1 -d sums.jsonl base.st > out.a
	generate -n 5 --temperature 1 --seed 3 -b 5 -d sums.jsonl base.st > out.b
	cmp out.a out.b
	refuses 64 'want 1 to 32' generate -b 0 -d sums.jsonl base.st
	refuses 64 'want one of' generate -p a -d sums.jsonl base.st
}

# ---- merging ----

@test "merged, the text behind the prompt's tokens is the text behind it" {
	merge-adapter -A prompt.st base.st -o merged.st 2> said
	text=$(grep -o '<|weft_prompt_0|>.*3|>' said)
	for p in '3 and 1 are' 'another text'; do
		[ "$(generate -n 12 -p "$p" --ids base.st prompt.st)" = \
			"$(generate -n 12 -p "$text$p" --ids merged.st)" ]
	done
	[ "$(generate --chat -n 12 -p hello base.st prompt.st)" = \
		"$(generate --chat -n 12 -p hello merged.st)" ]
	st-export --to hf hf_merged < merged.st
	[ "$(jq .vocab_size hf_merged/config.json)" -eq 260 ]
	[ "$(jq .tie_word_embeddings hf_merged/config.json)" = false ]
	[ "$(jq -c '.added_tokens | map(.id)' hf_merged/tokenizer.json)" = \
		'[256,257,258,259]' ]
	[[ "$(jq -r .chat_template hf_merged/tokenizer_config.json)" == \
		"$text{%"* ]]
	# The same in memory of the file, and of a quantised base, which stays so.
	[ "$(generate -n 12 -p "${text}x" --ids hf_merged)" = \
		"$(generate -n 12 -p x --ids base.st prompt.st)" ]
	merge-adapter -q -A prompt.st nf4.st -o merged4.st
	st-ls merged4.st | grep -q nf4
	[ "$(generate -n 12 -p "${text}x" --ids merged4.st)" = \
		"$(generate -n 12 -p x --ids nf4.st prompt.st)" ]
}

@test "a prompt is merged into tied and scaled embeddings, and spare rows" {
	for m in llama3_tied gemma2 phi; do
		rm -rf "$m"
		cp -r "$golden/A/$m/model" "$m"
		chmod -R u+w "$m"
		n=$(jq .vocab_size "$m/config.json")
		jq -c --argjson n $((n - 2)) '.model.vocab |=
			with_entries(select(.value < $n))' \
			"$M/tokenizer.json" > "$m/tokenizer.json"
		jq -nc --argjson n $((n - 2)) 'range(3) | {input_ids:
			[range(3; 20) | (. * 7 + 1) % $n], labels: [range(3; 20)
			| (. * 7 + 1) % $n]}' > ids.jsonl
		peft-step -q --method prompt --virtual-tokens 3 --prompt-init \
			vocab -n 4 -g 1 --lr 1e-2 -d ids.jsonl "$m" -o p.st
		merge-adapter -q --verify 64 -A p.st "$m" -o merged.st
		jq -c --argjson n $((n - 2)) '.input_ids = [$n, $n + 1, $n + 2]
			+ .input_ids | .labels = [-100, -100, -100] + .labels' \
			ids.jsonl > behind.jsonl
		measure -t loss -d ids.jsonl "$m" p.st > out.a
		measure -t loss -d behind.jsonl merged.st > out.b
		jq -se '.[1].loss - .[0].loss | fabs < 0.06' out.a out.b
		[ "$(jq .tokens out.a)" = "$(jq .tokens out.b)" ]
		[ "$(st-ls merged.st | grep -c "$((n + 1))x")" -ge 2 ]
	done
}

@test "--verify compares base and prompt with the tokens before the text" {
	for b in base nf4; do
		merge-adapter --verify 300 --log log -A prompt.st $b.st -o m.st \
			2> said
		jq -se '.[-1] | .verify_tokens == 300 and .rms < 1e-6 and
			.agree == 1' log
		grep -q '300 tokens: logits differ' said
		merge-adapter -q -A prompt.st $b.st | cmp - m.st
	done
	echo 'Some text of bytes.' > text.txt
	merge-adapter -q --verify 9 -d text.txt --log log -A other.st base.st \
		-o m.st
	jq -se '.[-1] | .verify_tokens == 9 and .rms < 1e-6' log
	# Rounding the prompt is seen, and explained by the type; not by a
	# tolerance that is smaller.
	merge-adapter -q --verify 64 --dtype bf16 -A prompt.st base.st -o m.st
	run -1 merge-adapter --verify 64 --tolerance 1e-5 --dtype bf16 \
		-A prompt.st base.st -o x.st
	[[ $output == *'the merged model differs'* ]]
	[ ! -e x.st ]
}

@test "what cannot be merged is refused with the reason" {
	refuses 78 '--method prompt can be merged' merge-adapter -A prefix.st \
		base.st
	refuses 64 'merged alone' merge-adapter -A prompt.st -A other.st base.st
	refuses 64 'merged alone' merge-adapter --scale 2 -A prompt.st base.st
	refuses 64 'merged alone' merge-adapter --requantise -A prompt.st nf4.st
	refuses 65 'no tokenizer.json' merge-adapter -A prompt.st bare.st
	merge-adapter -q -A prompt.st base.st -o merged.st
	refuses 65 'tokens already' merge-adapter -A prompt.st merged.st
}
