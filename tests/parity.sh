#!/bin/bash
# parity.sh - runs every test that compares with reference numbers and writes
# docs/parity.md: case, quantity, the largest difference found, the tolerance
set -u
cd "$(dirname "$0")/.." || exit 70
O=${O:-build}
case $O in /*) ;; *) O=$PWD/$O ;; esac
export O BIN=$O/bin LC_ALL=C.UTF-8 PARITY=$O/parity.tsv
rm -f "$PARITY"
status=0
for f in $(grep -l 'golden_report\|training_report' tests/unit/*.c); do
	"$O/unit/$(basename "$f" .c)" > "$O/parity.log" 2>&1 < /dev/null || {
		cat "$O/parity.log" >&2
		status=1
	}
done
for f in tests/golden/*.bats; do
	bats "$f" > "$O/parity.log" 2>&1 < /dev/null || {
		cat "$O/parity.log" >&2
		status=1
	}
done
{
	echo '# Parity'
	echo
	echo 'What the tests find when they compare with the reference numbers'
	echo 'in `tests/golden` (PyTorch, PEFT, transformers, bitsandbytes), as'
	echo 'the largest difference and the tolerance. A difference of 0 with a'
	echo 'tolerance of 0 means equal bytes. Written by `make parity`'
	[ -n "${WEFT_MODEL-}" ] || echo '(without the real model)'
	echo "on $(date -u +%F), $(grep -m 1 'model name' /proc/cpuinfo |
		sed 's/.*: //'), kernels ${KERNELS:-as the processor has them}."
	echo
	echo '| case | quantity | difference | tolerance |'
	echo '|---|---|---|---|'
	sort -u "$PARITY" | awk -F '\t' '{
		key = $1 "\t" $2
		if (!(key in most) || $3 > most[key]) most[key] = $3 + 0
		tol[key] = $4
		if (!(key in seen)) { seen[key] = 1; order[++n] = key }
	} END { for (i = 1; i <= n; i++) { split(order[i], k, "\t")
		printf "| %s | %s | %g | %g |\n", k[1], k[2],
			most[order[i]], tol[order[i]] } }'
	echo
	sed 's/^	//' << '	EOF'
	The losses of G/lora_train and G/qlora_train differ by what PyTorch loses
	when it sums over the vocabulary in f32: for the first step it makes of the
	same logits 1.8893056 in f32 and 1.8893115 in f64; ours is 1.8893112.
	EOF
	echo
	echo '## Fuzzing'
	echo
	sed 's/^	//' << '	EOF'
	Inputs that each target of `tests/fuzz` stood, with AddressSanitizer and
	UndefinedBehaviorSanitizer, from the corpus beside it: `make fuzz-run`.

	| target | inputs | edges reached | on |
	|---|---|---|---|
	EOF
	awk -F '\t' '{ printf "| %s | %d | %d | %s |\n", $1, $2, $3, $4 }' \
		tests/fuzz/runs.tsv
	echo
	echo '## Not in this release'
	echo
	echo 'Cases of the whole set whose methods come later:'
	echo
	while read -r topic names; do
		list=
		for name in $names; do
			grep -q "^$topic/$name	" "$PARITY" || list="$list, $name"
		done
		[ -z "$list" ] || echo "* $topic: ${list#, }"
	done < tests/golden/later
} > docs/parity.md
exit $status
