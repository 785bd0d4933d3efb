#!/bin/bash
# run.sh - every check against other people's packages; each script prints TAP
# and skips itself, by name, when a package is missing
set -u
cd "$(dirname "$0")/../.." || exit 70
O=${O:-build} PYTHON=${PYTHON:-python3}
export BIN=$PWD/$O/bin O=$PWD/$O
passed=0 failed=0 skipped=0
for f in tests/peers/*.py; do
	[ -e "$f" ] || continue
	out=$O/peers.out
	"$PYTHON" "$f" > "$out" 2> "$out.err" < /dev/null
	status=$?
	skip=$(grep -c '^ok .*# SKIP' "$out")
	ok=$(($(grep -c '^ok ' "$out") - skip))
	bad=$(grep -c '^not ok ' "$out")
	[ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
	[ "$bad" -ne 0 ] && { cat "$out"; tail -n 20 "$out.err"; }
	grep '# SKIP' "$out"
	printf '%-44s %5d passed %3d failed %3d skipped\n' "$f" "$ok" "$bad" "$skip"
	passed=$((passed + ok)) failed=$((failed + bad))
	skipped=$((skipped + skip))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
