# QA-LoRA: an integer base, its adapter, and the merge that loses nothing

golden=$BATS_TEST_DIRNAME/../golden

setup_file() {
	export T=$BATS_FILE_TMPDIR
	data=$golden/B/data/data.jsonl
	"$BIN/st-import" -o "$T/dense.st" "$golden/A/llama/model"
	"$BIN/quantize-nf4" -o "$T/nf4.st" "$T/dense.st"
	for bits in 4 3 2; do
		"$BIN/quantize-int" --bits $bits -o "$T/int$bits.st" "$T/dense.st"
		"$BIN/lora-init" --only --method qalora -r 4 -o "$T/fresh$bits.st" \
			"$T/int$bits.st"
		"$BIN/peft-step" -q -n 12 -g 1 --learning-rate 1e-2 -d "$data" \
			-A "$T/fresh$bits.st" -o "$T/a$bits.st" "$T/int$bits.st"
	done
}

setup() {
	cd "$T" || return 1
	PATH=$BIN:$PATH
	data=$golden/B/data/data.jsonl
}

# How many weights are stored as whole numbers.
codes() { st-ls "$1" | grep -c 'int[234]/32 (f32)'; }

loss() { # STREAM ...
	"$BIN/eval" -t loss -d "$data" "$@" | grep -o '"loss": [0-9.]*' |
	cut -d' ' -f2
}

@test "training helps, and the merged model is as small and says the same" {
	for bits in 4 3 2; do
		before=$(loss int$bits.st)
		after=$(loss int$bits.st a$bits.st)
		awk -v a="$before" -v b="$after" 'BEGIN { exit !(b < a - 0.1) }'
		merge-adapter --verify 300 -A a$bits.st -o m$bits.st int$bits.st 2> said
		rms=$(sed 's/.*RMS \([^,]*\),.*/\1/' said)
		awk -v x="$rms" 'BEGIN { exit !(x < 1e-5) }'
		share=$(sed 's/.*by \([^ ]*\) of the position.*/\1/' said)
		awk -v x="$share" 'BEGIN { exit !(x < 1e-4) }'
		[ "$(codes m$bits.st)" -eq 14 ]
		size=$(wc -c < m$bits.st)
		[ "$size" -lt $(($(wc -c < int$bits.st) + 4096)) ]
		awk -v a="$(loss m$bits.st)" -v b="$after" \
			'BEGIN { exit !(a - b < 1e-5 && b - a < 1e-5) }'
	done
}

@test "the same bytes for any -j, kernels, and in a pipe" {
	merge-adapter -j1 -A a4.st -o one.st int4.st
	merge-adapter -j3 -A a4.st int4.st | cmp - one.st
	KERNELS=c merge-adapter -A a4.st int4.st | cmp - one.st
	cat int4.st a4.st | merge-adapter | cmp - one.st
}

@test "a stop and a resumption give the same adapter" {
	peft-step -q -n 12 -g 1 --learning-rate 1e-2 -d "$data" -A fresh4.st \
		--stop-after 5 -o half.st int4.st
	peft-step -q -d "$data" -A half.st int4.st | cmp - a4.st
}

@test "one pipe: quantise, begin, train, merge" {
	quantize-int < dense.st | lora-init --method qalora -r 4 > both.st
	peft-step -q -n 12 -g 1 --learning-rate 1e-2 -d "$data" -o piped.st both.st
	cat int4.st piped.st | merge-adapter --verify 50 -o m.st 2> said
	[ "$(codes m.st)" -eq 14 ]
}

@test "dense merges, and quantising again, where they are asked for" {
	merge-adapter --dtype f32 --verify 100 -A a4.st -o dense4.st int4.st 2> said
	[ "$(codes dense4.st)" -eq 0 ]
	lora-init --only -r 4 -o lora.st int4.st
	peft-step -q -n 12 -g 1 --learning-rate 1e-2 -d "$data" -A lora.st \
		-o lora12.st int4.st
	merge-adapter --verify 100 -A lora12.st -o lm.st int4.st 2> said
	[ "$(codes lm.st)" -eq 0 ]
	merge-adapter --requantise -A lora12.st -o lr.st int4.st 2> said
	[ "$(codes lr.st)" -eq 14 ]
	grep -q '^all ' said
	merge-adapter -A a4.st -o one.st int4.st
	merge-adapter --requantise -A a4.st -o two.st int4.st 2> said
	st-diff one.st two.st # nothing is to be rounded
	[ ! -s said ]
}

@test "what does not go together is refused, with what would" {
	run lora-init --only --method qalora -r 4 -o x.st nf4.st
	[ "$status" -eq 78 ]
	[[ $output == *"quantize-int"* ]]
	run lora-init --only --method qalora -r 4 --qalora-group-size 16 -o x.st int4.st
	[ "$status" -eq 78 ]
	[[ $output == *"--qalora-group-size 32 would"* ]]
	run lora-init --only --method qalora --qalora-group-size 48 -o x.st int4.st
	[ "$status" -eq 78 ]
	lora-init --only --method qalora -r 4 --qalora-group-size 16 -o fine.st nf4.st
	run merge-adapter -A fine.st -o x.st int4.st
	[ "$status" -eq 78 ]
	[[ $output == *"--dtype"* ]]
	[ ! -e x.st ]
	run lora-init --only --method qlora -o x.st int4.st
	[ "$status" -eq 64 ]
}

@test "PEFT's form, there and back, says the same" {
	for pool in mean sum peft; do
		lora-init --only --method qalora --qalora-pool $pool -r 4 \
			-o fresh.st int4.st
		peft-step -q -n 12 -g 1 --learning-rate 1e-2 -d "$data" -A fresh.st \
			-o a.st int4.st
		st-export --force --to peft peft < a.st
		jq -e '.use_qalora and .qalora_group_size == 32' \
			peft/adapter_config.json
		merge-adapter -q -A a.st -o one.st int4.st
		merge-adapter -q -A peft -o two.st int4.st
		st-diff --tolerance 1e-6 one.st two.st
	done
	jq '.qalora_group_size = 16' peft/adapter_config.json > other.json
	mv other.json peft/adapter_config.json
	run merge-adapter -q -A peft -o x.st int4.st
	[ "$status" -eq 65 ]
	lora-init --only --method iec -r 4 -o iec.st int4.st
	run st-export --to peft none iec.st
	[ "$status" -eq 65 ]
	[[ $output == *combine-adapters*merge-adapter* ]]
	# What the refusal says works, and is the same.
	peft-step -q --lr 1e-2 -n 3 -g 1 -d "$data" -A iec.st -o trained.st int4.st
	combine-adapters trained.st | st-export --force --to peft peft
	for a in trained.st peft; do
		merge-adapter -q --dtype f32 -A $a -o m.$a.st int4.st
	done
	st-diff --tolerance 1e-6 m.trained.st.st m.peft.st
}
