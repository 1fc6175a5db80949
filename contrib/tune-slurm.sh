#!/bin/sh
# tune-slurm.sh OPTIONS...: one share of what the options of `hone tune` ask for, as a task of a Slurm array.
#
#   sbatch --array=1-12 contrib/tune-slurm.sh --model model.gguf --budget 50m
#   sbatch --dependency=afterany:JOB --wrap 'hone db merge shards/shard-*.db'
#
# Two minutes before its deadline the task is told to stop: hone ends the candidate, commits, and the task
# queues again, RETRIES times at most; it goes on where it was. A node that dies loses one candidate.
#
#   HONE   the program (hone)      OUT   folder of the shards, on a file system that all nodes see (shards)
#   RETRIES   (3)
#SBATCH --job-name=hone-tune
#SBATCH --time=01:00:00
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
set -u
: "${SLURM_ARRAY_TASK_ID:?is set by sbatch --array=1-N}"
share=$SLURM_ARRAY_TASK_ID/${SLURM_ARRAY_TASK_COUNT:-$SLURM_ARRAY_TASK_MAX}
out=${OUT:-shards}
mkdir -p "$out" || exit 1

# The shell hears the signal while it waits, and hands it on.
"${HONE:-hone}" tune "$@" --quiet --shard "$share" --db "$out/shard-$SLURM_ARRAY_TASK_ID.db" &
child=$!
trap 'kill -TERM "$child"' TERM
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done

# 130: interrupted. 5: the device is lost, on another node there is another.
case $code in
130 | 5)
    if [ "${SLURM_RESTART_COUNT:-0}" -lt "${RETRIES:-3}" ]; then
        scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" && exit 0
    fi
    ;;
esac
exit "$code"
