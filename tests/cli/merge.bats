# merge-adapter: what it says and does on a command line

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PATH=$BIN:$PATH
	golden=$BATS_TEST_DIRNAME/../golden
	model=$golden/A/llama/model
	peft=$golden/D/merge_lora/adapter
}

# The streams that the tests begin with.
streams() {
	st-import -o base.st "$model"
	quantize-nf4 -o nf4.st "$model"
	lora-init -r 4 --only -o fresh.st "$model"
}

@test "the same bytes in any order, by operand, option, pipe, for any -j" {
	streams
	merge-adapter -j1 -A fresh.st base.st -o one.st
	merge-adapter -j3 base.st fresh.st | cmp - one.st
	merge-adapter -j1 -A "$peft" nf4.st -o quantised.st
	KERNELS=c merge-adapter -j2 -A "$peft" nf4.st | cmp - quantised.st
	merge-adapter fresh.st base.st | cmp - one.st
	merge-adapter -A fresh.st < base.st | cmp - one.st
	merge-adapter base.st < /dev/null -A fresh.st | cmp - one.st
	merge-adapter - base.st < fresh.st | cmp - one.st
	merge-adapter base.st - < fresh.st | cmp - one.st
	cat fresh.st base.st | merge-adapter | cmp - one.st
	cat base.st fresh.st | merge-adapter | cmp - one.st
	cat base.st fresh.st > both.st
	merge-adapter both.st | cmp - one.st
	merge-adapter < both.st | cmp - one.st
	merge-adapter <(cat base.st) <(cat fresh.st) | cmp - one.st
}

@test "nothing is left of a spool" {
	streams
	mkdir tmp
	cat base.st fresh.st | TMPDIR=$PWD/tmp merge-adapter > out.st
	[ -z "$(ls -A tmp)" ]
	run bash -c 'cat base.st fresh.st | TMPDIR=$PWD/none merge-adapter > out.st'
	[ "$status" -eq 73 ]
}

@test "a fresh adapter changes no weight of a dense base" {
	streams
	merge-adapter -A fresh.st base.st -o merged.st
	command -v st-diff > /dev/null || skip "no st-diff"
	st-diff base.st merged.st
	merge-adapter -A "$peft" base.st -o merged.st
	run st-diff base.st merged.st
	[ "$status" -eq 1 ]
}

@test "two adapters add up; scale" {
	streams
	merge-adapter -A "$peft" -A "$peft" base.st -o twice.st
	merge-adapter -A "$peft" --scale 2 base.st -o double.st
	command -v st-diff > /dev/null || skip "no st-diff"
	st-diff --tolerance 1e-5 twice.st double.st
	merge-adapter -A "$peft" -A "$peft" --scale 1 --scale -1 base.st -o none.st
	st-diff --tolerance 1e-5 base.st none.st
	merge-adapter --scale 0 -A "$peft" base.st -o none.st
	st-diff base.st none.st
}

@test "types of what is written" {
	streams
	command -v st-ls > /dev/null || skip "no st-ls"
	merge-adapter -A "$peft" base.st | st-ls > ls
	! grep -q bf16 ls
	merge-adapter --dtype bf16 -A "$peft" base.st | st-ls > ls
	! grep -q f32 ls
	merge-adapter -A "$peft" nf4.st | st-ls > ls
	! grep -q nf4 ls
	merge-adapter -q --requantise -A "$peft" nf4.st | st-ls > ls
	grep -q nf4 ls
}

@test "--requantise reports each tensor, and logs it" {
	streams
	merge-adapter --requantise --log log.jsonl -A "$peft" nf4.st \
		2> said > out.st
	[ "$(grep -c _proj said)" -eq 6 ]
	grep -q "survived" said
	grep -q "^all " said
	[ "$(grep -c '"survived": 0.9\|"survived": 1.0' log.jsonl)" -eq 6 ]
	merge-adapter -q --requantise -A "$peft" nf4.st 2> said | cmp - out.st
	[ ! -s said ]
	# What has no adapter keeps its bytes.
	merge-adapter --requantise -A fresh.st nf4.st 2> said > out.st
	grep -q "_proj" said
}

@test "a tied embedding is untied when one side changes" {
	tied=$golden/A/llama3_tied/model
	lora-init --only -r 2 --modules-to-save embed_tokens -o embed.st "$tied"
	merge-adapter -A embed.st "$tied" -o out.st
	grep -aq 'lm_head.weight' out.st
	lora-init --only -r 2 -o plain.st "$tied"
	merge-adapter -A plain.st "$tied" -o out.st
	! grep -aq 'lm_head.weight' out.st
}

@test "an adapter for another model: 65" {
	streams
	cp -r "$peft" other
	LC_ALL=C sed -i 's/layers\.1\./layers.9./g' other/*.safetensors
	run merge-adapter -A other -o out.st base.st
	[ "$status" -eq 65 ]
	[[ $output == *"layers.9."*"no place"* ]]
	[ ! -e out.st ]
	cp -r "$peft" narrow
	LC_ALL=C sed -i 's/\[6,64\]/[4,96]/' narrow/*.safetensors
	run merge-adapter -A narrow -o out.st base.st
	[ "$status" -eq 65 ]
	[ ! -e out.st ]
}

# Refused at once: one line, and no weight was met before it.
at_once() { # STATUS WORDS ARGUMENT ...
	local want=$1 words=$2
	shift 2
	run merge-adapter --log log.jsonl -o none.st "$@"
	echo "$output"
	[ "$status" -eq "$want" ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == merge-adapter:*"$words"* ]]
	[ ! -s log.jsonl ]
	[ ! -e none.st ]
}

@test "what does not go together is refused before a weight is read" {
	# The first weights can be stored again, the last ones not.
	printf '{ "rules": [ { "layers": "0", "quantize-int": {} },
		{ "quantize-nf4": { "icq": true } } ] }' > r.json
	quantize-int -q --recipe r.json "$model" |
		quantize-nf4 -q --recipe r.json -o mixed.st
	lora-init --only -r 2 -o lora.st mixed.st
	at_once 78 'layers.1.self_attn.q_proj.weight: stored as nf4 of a form' \
		--requantise -A lora.st mixed.st
	at_once 78 'without --requantise' --requantise -A lora.st mixed.st
	# Groups that do not go into the base's, in its last layer alone.
	printf '{ "rules": [ { "layers": "0", "quantize-int": { "group": 16 } },
		{ "quantize-int": { "group": 32 } } ] }' > r.json
	quantize-int -q --recipe r.json -o groups.st "$model"
	lora-init --only --method qalora -r 2 --qalora-group-size 16 \
		-o qalora.st "$model"
	at_once 78 '--dtype merges into dense weights' -A qalora.st groups.st
	merge-adapter -q --dtype f32 --verify 9 -A qalora.st -o m.st groups.st
	# A bias where the base has none; another model's.
	lora-init --only --method lora_bias -r 2 -o bias.st "$model"
	lora-init --only --method lora_bias -r 2 -o tied.st \
		"$golden/A/llama3_tied/model"
	for more in "" "--verify 9" "--requantise"; do
		at_once 65 'has no bias there' $more -A bias.st "$model"
		at_once 65 'has no bias there' $more -A tied.st \
			"$golden/A/llama3_tied/model"
		at_once 65 'want 64x2' $more -A lora.st \
			"$golden/A/llama3_tied/model"
	done
	# By pipe it is known at the end, and --verify says the same.
	run bash -c 'st-import "$1" | merge-adapter --verify 9 -A bias.st \
		-o none.st' - "$model"
	[ "$status" -eq 65 ]
	[[ $output == *"has no bias there"* ]]
}

@test "--verify with a scale that only a merge can have" {
	qwen=$golden/A/qwen2/model
	for kind in "--method dora" "--modules-to-save lm_head" "--bias all"; do
		lora-init --only -r 2 $kind -o a.st "$qwen"
		at_once 78 'leave out --verify, or --scale' --scale 0.5 \
			--verify 9 -A a.st "$qwen"
		merge-adapter -q --scale 0.5 -A a.st "$qwen" -o m.st
	done
}

@test "--verify of DoRA beside others: it goes first" {
	echo '{"input_ids":[9,2,7,5],"labels":[9,2,7,5]}' > ids.jsonl
	for kind in lora dora; do
		peft-step -q --method $kind -r 2 -n 3 -g 1 --lr 1e-2 \
			-d ids.jsonl -o $kind.st "$model"
	done
	merge-adapter -q --verify 30 -A dora.st -A lora.st "$model" -o m.st
	for first in lora dora; do
		at_once 78 'name it first' --verify 30 -A $first.st \
			-A dora.st "$model"
		merge-adapter -q -A $first.st -A dora.st "$model" -o m.st
	done
	peft-step -q --method dora -r 2 -n 3 -g 1 --target-modules up_proj \
		-d ids.jsonl -o up.st "$model"
	peft-step -q -r 2 -n 3 -g 1 --target-modules q_proj \
		-d ids.jsonl -o q.st "$model"
	merge-adapter -q --verify 30 -A q.st -A up.st "$model" -o m.st
}

@test "bad options: 64" {
	streams
	for options in "--scale x" "--scale 1 --scale 2" "--dtype f64" \
		"--scale nan" "--nonsense"; do
		run merge-adapter -A fresh.st $options base.st
		[ "$status" -eq 64 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == merge-adapter:* ]]
	done
}

@test "missing parts and missing files" {
	streams
	run merge-adapter < base.st
	[ "$status" -eq 65 ]
	[[ $output == *"no adapter"* ]]
	run merge-adapter fresh.st
	[ "$status" -eq 65 ]
	[[ $output == *"no base"* ]]
	run merge-adapter -A base.st base.st
	[ "$status" -eq 65 ]
	run merge-adapter -A nowhere.st base.st
	[ "$status" -eq 66 ]
	run merge-adapter < /dev/null
	[ "$status" -eq 65 ]
	run merge-adapter -o nowhere/out.st -A fresh.st base.st
	[ "$status" -eq 73 ]
}

@test "cut or changed input: 65, and so is what was written" {
	streams
	for n in 100 5000 100000 $(($(wc -c < base.st) - 1)); do
		head -c "$n" base.st > cut.st
		run bash -c 'merge-adapter -A fresh.st cut.st > out.st'
		[ "$status" -eq 65 ]
		run merge-adapter -A fresh.st -o again.st out.st
		[ "$status" -eq 65 ]
		run bash -c 'cat cut.st fresh.st | merge-adapter > out.st'
		[ "$status" -eq 65 ]
	done
	for n in 100 3000 $(($(wc -c < fresh.st) - 1)); do
		head -c "$n" fresh.st > cut.st
		run bash -c 'merge-adapter -A cut.st base.st > out.st'
		[ "$status" -eq 65 ]
		[ ! -s out.st ]
	done
}

@test "help, manual page, version" {
	merge-adapter --help | grep -q -- --requantise
	merge-adapter --version | grep -q merge-adapter
	merge-adapter --man | grep -q arXiv:2106.09685
}

@test "--verify: the result says what base and adapters say" {
	streams
	for options in "" "--dtype bf16" "--dtype f16" "--scale 0.5" \
		"-A fresh.st" "-A $peft --scale 1 --scale -0.5"; do
		merge-adapter -A "$peft" $options base.st --verify 100 \
			-o out.st 2> said
		grep -q "^merge-adapter: 100 tokens: logits differ by" said
	done
	merge-adapter -q -A "$peft" nf4.st --verify 100 -o out.st 2> said
	[ ! -s said ]
	merge-adapter -A "$peft" nf4.st --verify 1000 --tolerance 1e-5 > out2.st
	cmp out.st out2.st
	merge-adapter -q -A "$peft" nf4.st --verify 50 --requantise \
		--log log.jsonl > out.st
	[ "$(grep -c '"survived"' log.jsonl)" -eq 6 ]
	[ "$(grep -c '"verify_tokens": 50' log.jsonl)" -eq 1 ]
}

@test "--verify that fails: 1, and no output that anyone accepts" {
	streams
	run merge-adapter -q -A "$peft" --requantise nf4.st --verify 100 \
		--tolerance 1e-3 -o out.st
	[ "$status" -eq 1 ]
	[[ $output == *"the merged model differs"* ]]
	[ ! -e out.st ]
	run bash -c "merge-adapter -q -A '$peft' --dtype bf16 base.st \
		--verify 100 --tolerance 1e-6 > out.st"
	[ "$status" -eq 1 ]
	run st-check out.st
	[ "$status" -ne 0 ]
}

@test "--verify sees through a tied embedding that is untied" {
	tied=$golden/A/llama3_tied/model
	lora-init --only -r 2 --modules-to-save embed_tokens -o embed.st "$tied"
	merge-adapter -A embed.st "$tied" --verify 64 -o out.st
	run merge-adapter -A embed.st --scale 0.5 "$tied" --verify 64 -o two.st
	[ "$status" -eq 78 ]
}

@test "--verify: a difference, and its share of the position's largest logit" {
	streams
	# One position: the share is of base and adapter's logits, whatever
	# they are merged to.
	echo '{"input_ids":[7,9],"labels":[7,9]}' > ids.jsonl
	for dtype in f16 bf16; do
		merge-adapter -q -A "$peft" base.st --verify 1 -d ids.jsonl \
			--dtype $dtype --log $dtype.log -o out.st
	done
	jq -se 'map(.most / .relative) | .[0] > 0.1 and
		(.[0] / .[1] - 1 | fabs) < 1e-9' f16.log bf16.log
	jq -se '.[0].most < .[1].most' f16.log bf16.log
	# Of many it is the largest share.
	merge-adapter -q -A "$peft" base.st --verify 50 --dtype bf16 \
		--log many.log -o out.st
	jq -se '.[0].relative > 0 and .[0].relative < .[0].most' many.log
}

@test "--verify with data of one's own" {
	streams
	echo '{"input_ids":[1,2,3,4,5],"labels":[1,2,3,4,5]}' > ids.jsonl
	merge-adapter -A "$peft" base.st --verify 100 -d ids.jsonl -o out.st 2> said
	grep -q "^merge-adapter: 5 tokens:" said
	echo 'Some text.' > text.txt
	run merge-adapter -A "$peft" base.st --verify 100 -d text.txt -o two.st
	[ "$status" -eq 65 ]
	echo '{"input_ids":[1,2,99999],"labels":[1,2,3]}' > ids.jsonl
	run merge-adapter -A "$peft" base.st --verify 100 -d ids.jsonl -o two.st
	[ "$status" -eq 65 ]
}

@test "a warning when the adapter was made for another base" {
	streams
	merge-adapter -A fresh.st base.st 2> said > out.st
	[ ! -s said ]
	merge-adapter -A fresh.st nf4.st 2> said > out.st
	grep -q "warning: adapter 1 was made for another base" said
	merge-adapter -q -A fresh.st nf4.st 2> said > out.st
	[ ! -s said ]
}

# A model with a tokenizer of characters, and conversations.
chars() {
	cp -r "$golden/A/llama/model" chars
	chmod -R u+w chars
	jq -n '([range(33; 127) | [.] | implode] + ["Ġ", "Ċ"])
		as $c | {type: "ByteLevel", add_prefix_space: false,
		trim_offsets: true, use_regex: true} as $bytes |
		{version: "1.0", added_tokens: [{id: 255, content: "</s>",
		single_word: false, lstrip: false, rstrip: false,
		normalized: false, special: true}], pre_tokenizer: $bytes,
		decoder: $bytes, model: {type: "BPE", vocab:
		([range(255) | {key: ($c[.] // "pad\(.)"), value: .}]
		| from_entries), merges: []}}' > chars/tokenizer.json
	jq -n '{eos_token: "</s>"}' > chars/tokenizer_config.json
	jq -nc 'range(4) | {messages: [{role: "user", content: "say \(.)"},
		{role: "assistant", content: "it is \(. * 7)"}]}' > chat.jsonl
}

# learn BASE OPTION ...: trains on the conversations, merges, exports to hf
learn() {
	local base=$1
	shift
	rm -rf hf
	peft-step -q -n 1 -g 1 -r 2 -d chat.jsonl "$@" -o learned.st "$base"
	merge-adapter -q --dtype f32 "$base" learned.st |
		tee learned_merged.st | st-export --to hf hf
}

@test "the template and the end of turn that were learned are the model's" {
	PATH=$BIN:$PATH
	chars
	learn chars --template chatml --add-token '<|im_start|>' \
		--add-token '<|im_end|>'
	[ "$(jq -c .eos_token_id hf/generation_config.json)" = '[2,257]' ]
	# all else of that file stays as it is
	sed 's/"eos_token_id": 2,/"eos_token_id": [2, 257],/' \
		chars/generation_config.json | cmp - hf/generation_config.json
	# Jinja that renders what the named template did
	tokenize --base hf --template chatml --show chat.jsonl > named
	tokenize --base hf --show chat.jsonl | cmp - named
	st-export --to gguf model.gguf learned_merged.st
	rm -rf back
	st-import model.gguf | st-export --to hf --dtype f32 back
	jq -e '.eos_token_id | index(257)' back/generation_config.json
	jq -e '.chat_template | test("im_start")' back/tokenizer_config.json
	st-export --to peft peft learned.st
	cmp peft/chat_template.jinja hf/chat_template.jinja

	# Now it is the model's own: no byte of its files changes.
	mv hf own
	learn own --template chatml
	diff -r -x model.safetensors own hf
}

@test "the learned end where the files say it otherwise, or not at all" {
	PATH=$BIN:$PATH
	chars
	rm chars/generation_config.json
	jq '.chat_template = [{name: "tools", template: "t"},
		{name: "default", template: "{{ 1 }}"}]' \
		chars/tokenizer_config.json > c
	mv c chars/tokenizer_config.json
	set -- --add-token '<|im_start|>' --add-token '<|im_end|>'
	learn chars --template chatml "$@"
	jq -e '. == {bos_token_id: 1, pad_token_id: 0,
		eos_token_id: [2, 257]}' hf/generation_config.json
	jq -e '.chat_template | length == 2 and .[0].template == "t" and
		(.[1].template | test("im_end"))' hf/tokenizer_config.json
	[ ! -e hf/chat_template.jinja ]
	# the model's own template, of whose end the token is added
	jq --rawfile t <(jq -j '.chat_template[1].template' \
		hf/tokenizer_config.json) '.chat_template = $t' \
		chars/tokenizer_config.json > c
	mv c chars/tokenizer_config.json
	learn chars "$@"
	jq -e '.eos_token_id == [2, 257]' hf/generation_config.json
	cmp hf/tokenizer_config.json chars/tokenizer_config.json
}
