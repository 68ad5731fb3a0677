#!/usr/bin/env bash
# Runs every fuzz target for some seconds (10 if not told) from the committed corpora, and sees that the canary still
# dies: a fuzzer that finds nothing there finds nothing anywhere.
#
#     tests/fuzz/all.sh [SECONDS [TARGET...]]
#
# Needs cargo-fuzz and a nightly compiler. What is found lies in tests/fuzz/artifacts, new inputs in tests/fuzz/corpus;
# tests/fuzz/pack.sh makes the committed corpora of them. FUZZ_SANITIZER=address looks for errors of memory as well: nothing
# of ours contains unsafe code but the calls into AWS-LC, and without it the build is shorter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
seconds="${1:-10}"
shift || true
toolchain="${FUZZ_TOOLCHAIN:-nightly}"
sanitizer="${FUZZ_SANITIZER:-none}"

fuzz() { cargo "+$toolchain" fuzz "$1" --fuzz-dir . --sanitizer "$sanitizer" "${@:2}"; }

fuzz build
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cargo "+$toolchain" fuzz list --fuzz-dir .)

for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    [ ! -e "corpora/$target.tar.gz" ] || tar -xzf "corpora/$target.tar.gz" -C "corpus/$target"
    options=(-timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1)
    if [ "$target" = canary ]; then
        if fuzz run "$target" "corpus/$target" -- "${options[@]}" -max_total_time=120 >/dev/null 2>&1; then
            echo "the canary lived: the fuzzer finds nothing" >&2
            exit 1
        fi
        rm -rf "artifacts/$target" "corpus/$target"
        echo "canary: dead, as it must be"
        continue
    fi
    log="$(mktemp)"
    if ! fuzz run "$target" "corpus/$target" -- "${options[@]}" -max_total_time="$seconds" >"$log" 2>&1; then
        tail -60 "$log" >&2
        echo "$target: a finding, see tests/fuzz/artifacts/$target" >&2
        exit 1
    fi
    executed="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    covered="$(grep -o 'cov: [0-9]*' "$log" | tail -1)"
    echo "$target: $executed executions, $covered"
    rm -f "$log"
done
