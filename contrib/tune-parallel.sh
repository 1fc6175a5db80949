#!/bin/sh
# tune-parallel.sh N OPTIONS...: tune N shares of what the options of `hone tune` ask for, with GNU parallel,
# and merge them into one database.
#
#   HOSTS=a,b,c sh contrib/tune-parallel.sh 12 --model model.gguf --budget 10m
#
# A share at a time on each host (a device is measured by one process only), here when HOSTS is not set. A
# share that takes longer than DEADLINE is killed and tried again, RETRIES times in all; it goes on where it was
# when it comes to the same host, or when all hosts see OUT. The same command again takes only what failed.
#
#   HONE      the program, the same on every host (hone)    OUT       folder of the shards (shards)
#   DEADLINE  of one share, in seconds (3600)               RETRIES   (3)
#   DB        what they are merged into (default: hone's own)
set -eu
[ $# -ge 1 ] || { sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }
n=$1
shift
hone=${HONE:-hone}
out=${OUT:-shards}
mkdir -p "$out"

# Words of the options that a shell on the other side reads again.
options=$(for word; do printf " '%s'" "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")"; done)

code=0
seq "$n" | parallel --jobs 1 --sshlogin "${HOSTS:-:}" --workdir "$PWD" --timeout "${DEADLINE:-3600}" \
    --retries "${RETRIES:-3}" --joblog "$out/log" --resume-failed \
    ${HOSTS:+--return "$out/shard-{}.db"} \
    "mkdir -p '$out' && '$hone' tune$options --quiet --shard {}/$n --db '$out/shard-{}.db'" || code=$?
"$hone" db merge ${DB:+--db "$DB"} "$out"/shard-*.db
exit "$code"
