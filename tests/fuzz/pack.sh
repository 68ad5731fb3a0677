#!/usr/bin/env bash
# Makes the committed corpora of the inputs in tests/fuzz/corpus: of each target the few that reach everything the others do.
#
#     tests/fuzz/pack.sh [TARGET...]
#
# After tests/fuzz/all.sh, which builds the targets.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
toolchain="${FUZZ_TOOLCHAIN:-nightly}"
host="$(rustc -vV | sed -n 's/^host: //p')"
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cargo "+$toolchain" fuzz list --fuzz-dir .)

mkdir -p corpora
for target in "${targets[@]}"; do
    [ "$target" != canary ] && [ -d "corpus/$target" ] || continue
    few="$(mktemp -d)"
    "target/$host/release/$target" -set_cover_merge=1 -max_len=2048 -timeout=20 "$few" "corpus/$target" >/dev/null 2>&1
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$few" -cf - . | gzip -9n >"corpora/$target.tar.gz"
    echo "$target: $(find "$few" -type f | wc -l) inputs"
    rm -rf "$few"
done
