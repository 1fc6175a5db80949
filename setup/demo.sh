#!/bin/sh
# demo.sh HONE: fetch the model, tune what it needs for about a minute, let it answer with the default and
# with the tuned kernels, draw the figures, and say what was gained and where everything is.
#
#   MODEL=file.gguf   another model      BUDGET=5m   more time for tuning      PROMPT=text   another question
set -eu
cd "$(dirname "$0")/.."
hone=$1
budget=${BUDGET:-60s}
prompt=${PROMPT:-Why is the sky blue?}
class=i8 # what a model's matrices are tuned for, and a fair comparison needs one class
rounds='1 2 3'
tokens=96

say() { echo "demo: $*" >&2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

data=${XDG_DATA_HOME:-}
case $data in
/*) ;;
*) data=${HOME:?is not set}/.local/share ;; # a relative value is ignored
esac
figures=$data/hone/report

say "1/5 the model"
model=$(sh setup/model.sh)

say "2/5 the device"
"$hone" devices >&2

say "3/5 tuning for $budget (BUDGET=5m finds more; after Ctrl-C the same command goes on where it was)"
"$hone" tune --model "$model" --class "$class" --budget "$budget" >&2

# A chat where the file says how, else the prompt as it is.
template=
if head -c 64000000 "$model" | grep -aq tokenizer.chat_template; then template='--template auto'; fi

# In turns, so that a busy moment of the machine does not hit one of them only.
say "4/5 generating with the default and with the tuned kernels, in turns"
for round in $rounds; do
    for profile in default tuned; do
        # shellcheck disable=SC2086 # two words or none
        "$hone" run -m "$model" --class "$class" --profile "$profile" $template -p "$prompt" \
            -n "$tokens" --json >"$work/$profile.$round"
    done
done

say "5/5 figures"
whole=yes shown=$figures/index.html
"$hone" report --out "$figures" >/dev/null || whole=no shown="none, see above"
"$hone" db check --json >"$work/db" || whole=no

PYTHONUTF8=1 python3 - "$work" "$rounds" "$prompt" <<'PYTHON'
import json, statistics, sys
work, rounds, prompt = sys.argv[1:]

def load(name):
    with open(work + "/" + name, encoding="utf-8") as file:
        return json.load(file)

runs = {profile: [load(profile + "." + n) for n in rounds.split()] for profile in ("default", "tuned")}
speed = {(profile, key): statistics.median(run[key] or 0 for run in runs[profile])
         for profile in runs for key in ("prompt_tps", "decode_tps")}

def gain(key):
    default, tuned = speed["default", key], speed["tuned", key]
    return "x%.2f" % (tuned / default) if default > 0 else "-"

last = runs["tuned"][-1]
print("\n> " + prompt)
print((last["text"] or "").strip())
print("\n%s, class %s, medians of %d runs" % (last["device"], last["class"], len(runs["tuned"])))
print("           %16s %16s" % ("answer", "prompt"))
for profile in ("default", "tuned"):
    print("%-10s %8.1f token/s %8.1f token/s" % (profile, speed[profile, "decode_tps"], speed[profile, "prompt_tps"]))
print("%-10s %8s %16s" % ("gain", gain("decode_tps"), gain("prompt_tps")))
print("\ndatabase   " + load("db")["db"])
sys.stdout.flush()
if last["profile"] != "tuned":
    sys.exit("demo: nothing was tuned in that time; BUDGET=5m make demo goes on where this ended")
PYTHON
echo "figures    $shown"
echo "chat       $hone chat -m $model --class $class"
[ "$whole" = yes ]
