#!/bin/sh
# profiles.sh HONE: tune here what the demo's model and the reference problems need, and write the profile of
# this device into results/profiles/. Killed or interrupted, the same command goes on; when kernels have
# changed since, it tunes anew.
#
#   BUDGET=10m   of each of the two searches (3m)      MODEL=file.gguf   another model
set -eu
cd "$(dirname "$0")/.."
hone=$1
budget=${BUDGET:-3m}
database=$(dirname "$hone")/profiles.db
model=$(sh setup/model.sh)

"$hone" tune --db "$database" --device 0 --model "$model" --class i8,f32 --budget "$budget"
"$hone" tune --db "$database" --device 0 --family gemm,gemv_q4,gemm_q4 --problem 'm=12288,k=4096,n=1..256*2' \
    --class f32,i8 --budget "$budget"

# Architecture and compute units, in letters that every file system takes. The newest device is number 0.
work=$(mktemp)
trap 'rm -f "$work"' EXIT
trap 'exit 130' INT TERM HUP
"$hone" db export --db "$database" --device 0 >"$work"
name=$(sed -n 's/^device //p' "$work" | awk -F'|' '{ print $1 " " $4 " " $5 }' | tr -cs 'A-Za-z0-9\n' '-' |
    tr '[:upper:]' '[:lower:]' | sed 's/^-*//; s/-*$//')
cat "$work" >"results/profiles/$name.profile"
"$hone" db profiles "results/profiles/$name.profile"
echo "make builds it in"
