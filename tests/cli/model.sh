# model.sh - a tiny model that reads any text; sourced

# DIR: of a golden model, with a tokenizer of bytes, of which two that no text
# holds are beginning and end; and a chat template beside it.
byte_model() { # DIR
	cp -r tests/golden/A/llama/model "$1"
	jq -nc '"0123456789ABCDEF" / "" | [.[] as $a | .[] as $b | "<0x\($a)\($b)>"]
		| {model: {type: "BPE", byte_fallback: true, merges: [],
			vocab: (to_entries | map({key: .value, value: .key}) |
			from_entries)}, decoder: {type: "Sequence", decoders:
			[{type: "ByteFallback"}, {type: "Fuse"}]},
			added_tokens: [{id: 0, content: "<0x00>", special: true,
			single_word: false, lstrip: false, rstrip: false,
			normalized: false}]}' > "$1/tokenizer.json"
	echo '{"bos_token": "<0x01>", "eos_token": "<0x00>"}' \
		> "$1/tokenizer_config.json"
	printf '%s' '{% for m in messages %}{{ m.role }}:{{ m.content }}' \
		'{{ eos_token }}{% endfor %}{% if add_generation_prompt %}' \
		'assistant:{% endif %}' > "$1/turns.jinja"
}
