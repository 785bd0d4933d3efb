# agent.sh - page-agent at a socket, and a run that it has pages for; sourced

model=tests/golden/A/llama/model
data=tests/golden/B/data/data.jsonl
gone='warning: the agent is gone; the run went on alone'

setup() {
	mkdir -m 700 "$BATS_TEST_TMPDIR/run"
	S=$BATS_TEST_TMPDIR/run/agent.sock
}

teardown() {
	[ -z "${agent-}" ] || kill "$agent" 2> /dev/null || true
}

options() {
	echo -q -r 4 -d "$data" -g 3 --length 64
}

train() {
	"$BIN/peft-step" $(options) --agent "$S" --page-memory 400K "$@"
}

serve() {
	"$BIN/page-agent" --socket "$S" "$@" > "$BATS_TEST_TMPDIR/log" \
		2> "$BATS_TEST_TMPDIR/err" 3>&- &
	agent=$!
	for try in $(seq 100); do
		status . > /dev/null 2>&1 && return
		sleep 0.1
	done
	cat "$BATS_TEST_TMPDIR/err"
	return 1
}

# jq -e has no objection to an agent that says nothing.
status() {
	local said
	said=$("$BIN/page-agent" --socket "$S" --status) && jq "$@" <<< "$said"
}
