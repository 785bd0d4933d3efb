#!/usr/bin/env bats
# tokens.bats - --add-token: tokens that a base's vocabulary gets
bats_require_minimum_version 1.5.0

golden=$PWD/tests/golden/A

# A small model with a tokenizer of characters that has so many tokens.
make_model() { # GOLDEN TOKENS
	mkdir "$T/$1-$2"
	cp "$golden/$1"/model/* "$T/$1-$2"
	jq -n --argjson n "$2" '([range(32; 127) | [.] | implode] + ["\n"])
		as $c | {version: "1.0", added_tokens: [{id: ($n - 1),
		content: "</s>", special: true}], model: {type: "BPE", vocab:
		([range($n - 1) | {key: ($c[.] // "pad\(.)"), value: .}]
		| from_entries), merges: []}}' > "$T/$1-$2/tokenizer.json"
	jq -n '{eos_token: "</s>", added_tokens_decoder: {},
		model_max_length: 1000000000000000019884624838656}' \
		> "$T/$1-$2/tokenizer_config.json"
}

setup_file() {
	export T=$BATS_FILE_TMPDIR
	make_model llama 256
	make_model llama 250
	make_model llama3_tied 256
	jq -nc 'range(6) | {messages: [{role: "user", content: "say \(.)"},
		{role: "assistant", content: "it is \(. * 7)"}]}' \
		> "$T/chat.jsonl"
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
	add='--add-token <|im_start|> --add-token <|im_end|>'
	chat='-d chat.jsonl --template chatml'
	short='-q -n 4 -g 1 -r 2 --lr 5e-3'
}

refuses() { # STATUS WORDS COMMAND ...
	local want=$1 words=$2
	shift 2
	run --separate-stderr -"$want" "$@"
	echo "$stderr"
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *$words* ]]
}

loss() { # MODEL ...
	"$BIN/eval" -t loss $chat "$@" | jq .loss
}

close() { # A B TOLERANCE
	jq -en --argjson a "$1" --argjson b "$2" --argjson t "$3" \
		'($a - $b) as $d | $d < $t and -$d < $t'
}

@test "a template's token that the vocabulary lacks is refused, with the remedy" {
	refuses 65 "--add-token '<|im_end|>'" peft-step $short $chat llama-256
	refuses 65 "--add-token '<|im_start|>'" tokenize --base llama-256 \
		--template chatml --add-token '<|im_end|>' chat.jsonl
	tokenize --base llama-256 --template chatml $add --show chat.jsonl \
		> shown
	grep -q '^\[i t .*<|im_end|>' shown
}

@test "it is trained, merged with proof, and read from the merged model" {
	for m in llama-256 llama-250 llama3_tied-256; do
		peft-step $short $chat $add --log log $m -o a.st
		n=${m#*-}
		st-ls a.st | grep -q "2x64 .*embed_tokens.trainable_tokens_delta"
		merge-adapter -q --verify 40 --dtype f32 $m a.st -o merged.st
		close "$(loss $m a.st)" "$(loss merged.st)" 1e-5
		st-export --force --to hf out < merged.st
		rows=$((n == 256 ? 258 : 256))
		[ "$(jq .vocab_size out/config.json)" -eq $rows ]
		st-ls merged.st | grep -q "embed .* ${rows}x64 "
		jq -e --argjson n $n '.added_tokens[1:] | map([.id, .content,
			.special, .normalized]) == [[$n, "<|im_start|>", true,
			false], [$n + 1, "<|im_end|>", true, false]]' \
			out/tokenizer.json
		# All other bytes are as they were.
		jq '.added_tokens |= .[:1]' out/tokenizer.json |
			cmp - <(jq . $m/tokenizer.json)
		sed "/vocab_size/s/$rows/256/" out/config.json | cmp - $m/config.json
		jq -e --arg n $n '.added_tokens_decoder[$n].content ==
			"<|im_start|>"' out/tokenizer_config.json
		tokenize --base out --template chatml --jsonl chat.jsonl |
			cmp - <(tokenize --base $m $add --template chatml \
				--jsonl chat.jsonl)
	done
	! st-ls merged.st | grep -q lm_head
}

@test "a head of its own is trained too, and an untied base stays so" {
	peft-step $short $chat $add llama-256 -o a.st
	st-ls a.st | grep -q "2x64 .*lm_head.trainable_tokens_delta"
	merge-adapter -q llama-256 a.st | st-ls | grep -q "head .* 258x64 "
}

@test "a token that the vocabulary has keeps its id, and is trained" {
	peft-step $short $chat $add --add-token 7 llama-250 -o a.st
	st-ls a.st | grep -q "3x64 .*embed_tokens.trainable_tokens_delta"
	st-export --force --to peft seven < a.st
	jq -e '.trainable_token_indices.lm_head == [250, 251, 23]' \
		seven/adapter_config.json
	jq -e 'length == 2' seven/added_tokens.json
}

@test "stopped and continued, threads, memory, pipes: the same bytes" {
	for m in llama-256 llama3_tied-256; do
		st-import -o base.st $m
		peft-step $short $chat $add base.st -o whole.st
		peft-step $short $chat $add -j 1 -b 4 base.st -o b4.st
		peft-step $short $chat $add -j 3 -b 4 < base.st > b4j3.st
		cmp b4.st b4j3.st
		peft-step $short $chat $add -g 2 base.st -o g2.st
		peft-step $short $chat $add -g 2 --page-memory 2M base.st \
			-o paged.st
		cmp g2.st paged.st
		peft-step $short $chat $add --stop-after 2 base.st -o half.st
		peft-step -q $chat -A half.st base.st -o rest.st
		cmp whole.st rest.st
		rm -f x.st.ckpt
		peft-step $short $chat $add --stop-after 3 base.st -o x.st
		peft-step $short $chat $add --resume x.st.ckpt base.st -o x.st
		cmp whole.st x.st
		# As an adapter that lora-init began, and data that were read.
		lora-init -r 2 $add base.st | peft-step -q -n 4 -g 1 --lr 5e-3 \
			$chat > begun.st
		run st-diff begun.st whole.st
		! [[ $output == *tensor* ]]
		tokenize --base base.st $add --template chatml chat.jsonl |
			peft-step $short $add base.st - > read.st
		run st-diff read.st whole.st
		! [[ $output == *tensor* ]]
	done
}

@test "a quantised base takes them, and every program reads the two together" {
	quantize-nf4 llama-256 -o nf4.st
	peft-step $short $chat $add nf4.st -o a.st
	merge-adapter -q --verify 40 nf4.st a.st > merged.st
	generate --template chatml --chat -p hello -n 4 nf4.st a.st > one
	cat nf4.st a.st | generate --template chatml --chat -p hello -n 4 > two
	cmp one two
	merge-adapter -q --requantise nf4.st a.st | st-check
	[ "$(loss nf4.st a.st)" = "$(cat nf4.st a.st | loss)" ]
}

@test "out to PEFT and in again" {
	peft-step $short $chat $add llama-256 -o a.st
	st-export --to peft dir < a.st
	jq -e '.trainable_token_indices == {"lm_head": [256, 257],
		"model.embed_tokens": [256, 257]}' dir/adapter_config.json
	jq -e '. == {"<|im_start|>": 256, "<|im_end|>": 257}' \
		dir/added_tokens.json
	[ "$(loss llama-256 dir)" = "$(loss llama-256 a.st)" ]
	# Without the file nobody knows which tokens they are.
	mv dir/added_tokens.json .
	refuses 78 "token 256, and there are 256 rows" "$BIN/eval" -t loss \
		-d chat.jsonl --template alpaca llama-256 dir
	echo '{"<|im_start|>": 256, "<|im_end|>": 9}' > dir/added_tokens.json
	refuses 78 "token 257, and there are 257 rows" "$BIN/eval" -t loss \
		-d chat.jsonl --template alpaca llama-256 dir
	mv added_tokens.json dir
	jq '.trainable_token_indices.lm_head = [256]' dir/adapter_config.json \
		> c && mv c dir/adapter_config.json
	refuses 65 "no list of 2 for it" st-import dir
	jq '.trainable_token_indices = 7' dir/adapter_config.json \
		> c && mv c dir/adapter_config.json
	refuses 65 "no list of 2 for it" st-import dir
}

@test "what makes no sense is refused" {
	refuses 64 "it is there twice" peft-step $short $chat $add $add llama-256
	refuses 64 "an empty one" peft-step $short $chat --add-token '' llama-256
	refuses 64 "Give --base" tokenize --add-token x chat.jsonl
	refuses 65 "has no tokenizer.json" peft-step $short $chat $add \
		"$golden/llama/model"
	refuses 65 "no tokenizer.json, config.json or embedding" \
		lora-init --only $add "$golden/llama/model"
	peft-step $short $chat $add llama-256 -o a.st
	refuses 64 "the adapter is given" peft-step $short $add $chat -A a.st \
		llama-256
	# Another base has other tokens there.
	cp -r llama-256 other
	jq '.added_tokens += [{id: 256, content: "<|x|>", special: true}]' \
		llama-256/tokenizer.json > other/tokenizer.json
	refuses 65 "'<|im_start|>' is 256, and '<|x|>' has 256" \
		"$BIN/eval" -t loss $chat other a.st
	refuses 65 "'<|im_start|>' is 256, and '<|x|>' has 256" \
		merge-adapter other a.st
}
