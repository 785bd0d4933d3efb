#!/bin/bash
# nightly.sh DIR BASE DATA - retrains tonight what changed, and publishes it
# only if it is good enough
#
#   15 2 * * *  /srv/weft/pipelines/nightly.sh /srv/ft base.nf4.st chat.jsonl
#
# cron mails what is printed, so silence is success. A run that is still going
# keeps its lock; one that was cut off resumes from its checkpoint; the
# adapter that is in use is replaced by one rename, and only when eval agrees.
set -euo pipefail
dir=${1:?nightly.sh DIR BASE DATA} base=${2:?BASE} data=${3:?DATA}
bin=${BIN:-$(dirname "$0")/../build/bin}
limit=${LIMIT:-2.5}     # the highest loss on $dir/test.jsonl to publish
hours=${HOURS:-5}
cd "$dir"
mkdir -p log run
exec 9> .lock
flock -n 9 || exit 0    # last night's run is still going
day=$(date +%F)
log=log/$day.log
status=0
timeout --signal=TERM --kill-after=600 "${hours}h" \
	"$bin/peft-step" -q -d "$data" --log "log/$day.jsonl" \
	--resume run/adapter.st.ckpt -o run/adapter.st "$base" \
	>> "$log" 2>&1 9>&- || status=$?
case $status in
0) ;;
75 | 124) logger -t weft "time is up; the checkpoint goes on tonight" || :
	exit 0 ;;
*) tail -n 20 "$log" >&2; exit "$status" ;;
esac
if "$bin/eval" -t loss -d test.jsonl --require "loss<=$limit" \
	"$base" run/adapter.st > "log/$day.json" 2>> "$log"; then
	mv run/adapter.st "adapter-$day.st"
	ln -sfn "adapter-$day.st" current.tmp
	mv -T current.tmp current.st
else
	echo "not published: $(cat "log/$day.json")" >&2
	exit 1
fi
