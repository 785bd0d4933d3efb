#!/usr/bin/env bats
# probe.bats - st-check --arch prints what transformers' models show. The texts
# in probe/ were printed by the script of docs/families.md.
bats_require_minimum_version 1.5.0

here=$BATS_TEST_DIRNAME

# near A B: the same words, and numbers that are equal to what is printed; says
# the largest difference
near() {
	paste -d '\n' "$1" "$2" | awk '
		NR % 2 { n = split($0, a, " "); next }
		{
			bad += split($0, b, " ") != n
			for (i = 1; i <= n; i++) {
				if (a[i] !~ /[.]/) {
					bad += a[i] != b[i]
					continue
				}
				d = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]
				if (d > most) most = d
			}
		}
		END { print most + 0; exit bad || most > 1.5e-4 }'
}

@test "what is printed is what a reference run shows" {
	cd "$BATS_TEST_TMPDIR"
	for want in "$here"/probe/*.txt; do
		name=$(basename "$want" .txt)
		"$BIN/st-check" --arch "$here/A/$name/model" > all
		tail -n 1 all | grep -Eq '^digest +[0-9a-f]{32}$'
		sed '$d' all > got
		[ "$(wc -l < got)" -eq "$(wc -l < "$want")" ]
		most=$(near "$want" got) || { diff "$want" got; return 1; }
		[ -z "${PARITY-}" ] || printf \
			'A/%s\tst-check --arch, as printed\t%s\t0.00015\n' \
			"$name" "$most" >> "$PARITY"
	done
}

@test "the same digest from a stream, with any kernels and threads" {
	cd "$BATS_TEST_TMPDIR"
	"$BIN/st-import" -o base.st "$here/A/gemma3/model"
	"$BIN/st-check" --arch base.st > want
	"$BIN/st-check" --arch "$here/A/gemma3/model" | cmp - want
	for k in c avx2; do
		KERNELS=$k "$BIN/st-check" --arch base.st | cmp - want
	done
	taskset -c 0 "$BIN/st-check" --arch base.st | cmp - want
}

@test "a family's file, an adapter, and what is no model" {
	cd "$BATS_TEST_TMPDIR"
	"$BIN/st-check" --arch "$here/A/llama/model" > plain
	"$BIN/st-check" --arch "$here/A/llama/model" "$here/A/llama/adapter" \
		> with
	[ "$(tail -n 1 plain)" != "$(tail -n 1 with)" ]
	run -65 --separate-stderr "$BIN/st-check" --arch \
		"$here/../cli/loom.arch" "$here/A/llama/model"
	[[ $stderr == *'no layers (n_layer)'* ]]
	run -66 --separate-stderr "$BIN/st-check" --arch none.arch "$here"
	[ "${#stderr_lines[@]}" -eq 1 ]
}
