#!/bin/bash
# run.sh [long] - every test: lint, unit (cmocka), command line and golden
# (bats). All of them speak TAP; what they said is counted here, and the last
# line is the sum. A case whose files are missing is skipped by name. "long"
# runs the campaigns of faults in full: so many orders of what ends when, kills
# of the agent and of clients, and messages of nonsense. A file that is not done
# after LIMIT seconds has failed.
set -u
cd "$(dirname "$0")/.." || exit 70
O=${O:-build}
case $O in /*) ;; *) O=$PWD/$O ;; esac
export O BIN=$O/bin LC_ALL=C.UTF-8 CMOCKA_MESSAGE_OUTPUT=TAP
# Tests work in directories of their own, so a path must be absolute.
case ${WEFT_MODEL-} in '' | /*) ;; *) export WEFT_MODEL=$PWD/$WEFT_MODEL ;; esac
if [ "${1-}" = long ]; then
	export WEFT_SCHEDULES=${WEFT_SCHEDULES:-100000}
	export WEFT_KILLS=${WEFT_KILLS:-200}
	export WEFT_MESSAGES=${WEFT_MESSAGES:-1000000}
fi
log=$O/check.log
: > "$log"
passed=0 failed=0 skipped=0
within="timeout --foreground ${LIMIT:-900}"

count() { # name file status
	local ok bad skip
	# bats says "ok ... # skip", cmocka "not ok ... # SKIP"
	skip=$(grep -c '^\(not \)*ok .*# [Ss][Kk][Ii][Pp]' "$2")
	ok=$(grep '^ok ' "$2" | grep -vc '# [Ss][Kk][Ii][Pp]')
	bad=$(grep '^not ok ' "$2" | grep -vc '# [Ss][Kk][Ii][Pp]')
	[ "$3" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
	if [ "$bad" -ne 0 ]; then
		cat "$2"
	else
		grep '^\(not \)*ok .*# [Ss][Kk][Ii][Pp]' "$2"
	fi
	printf '%-44s %5d passed %3d failed %3d skipped\n' "$1" "$ok" "$bad" "$skip"
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
}

try() { # name command ...
	local name=$1 out=$O/check.out status
	shift
	"$@" > "$out" 2>&1 < /dev/null
	status=$?
	[ "$status" -eq 124 ] && echo "not ok $name: not done in time" >> "$out"
	cat "$out" >> "$log"
	count "$name" "$out" "$status"
}

lint() { # a lint says nothing when all is well
	local found
	found=$(sh "$1" 2>&1) && [ -z "$found" ] && { echo "ok $1"; return; }
	echo "not ok $1"
	echo "$found"
	return 1
}

for f in tests/lint/*.sh; do
	try "$f" lint "$f"
done
for f in tests/unit/*.c; do
	name=$(basename "$f" .c)
	try "tests/unit/$name" $within "$O/unit/$name"
done
for f in tests/cli/*.bats tests/golden/*.bats tests/*.bats; do
	[ -e "$f" ] && try "$f" $within bats --formatter tap "$f"
done
if [ "${1-}" = long ]; then
	within="timeout --foreground ${LIMIT:-36000}"
	for f in tests/long/*.bats; do
		[ -e "$f" ] && try "$f" $within bats --formatter tap "$f"
	done
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
