#!/usr/bin/env bash
# Transfers over an emulated long path: wall time and goodput, medians, through ascpd.
#
#   WAN_RUN=/path/to/emulator tests/bench/wan.sh [RUNS]
#
# The emulator is a program that runs a server and a client on two sides of a bad path:
#   $WAN_RUN --rtt 100ms --rate 100mbit --loss 1% --wait PORT --server COMMAND --client COMMAND
# It runs both commands under bash with the server's address in WAN_B, waits until PORT is
# listened on, and ends with the client's status. Everything else is here.
#
# RTT, RATE, LOSS, SIZE_MB and ASCP_OPTIONS in the environment change the path and the transfer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
emulator="${WAN_RUN:?name the WAN emulator: WAN_RUN=/path/to/emulator $0}"
runs="${1:-3}"
rtt="${RTT:-100ms}" rate="${RATE:-100mbit}" loss="${LOSS:-1%}" size_mb="${SIZE_MB:-100}"
read -ra options <<<"${ASCP_OPTIONS:--l 95M --policy=fixed}"

cargo build --release --quiet --package fasp-host --bins
bin="$PWD/${CARGO_TARGET_DIR:-target}/release"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/docroot" "$work/home"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
head -c "$((size_mb * 1000000))" /dev/urandom >"$work/file"
head -c 1 /dev/urandom >"$work/byte"

# Prints the seconds of one whole command: upload or download of a file.
once() { # FILE DIRECTION
    local from="$work/$1" to="user@\$WAN_B:/copy"
    if [ "$2" = download ]; then
        cp "$work/$1" "$work/docroot/source"
        from="user@\$WAN_B:/source" to="$work/back"
    fi
    rm -f "$work/docroot/copy" "$work/back"
    "$emulator" --rtt "$rtt" --rate "$rate" --loss "$loss" --wait 2222 \
        --server "'$bin/ascpd' --listen 0.0.0.0:2222 --docroot '$work/docroot' \
            --authorized-keys '$work/key.pub' --host-key '$work/host_key' >'$work/server.log' 2>&1" \
        --client "export HOME='$work/home'; rm -rf '$work/home/.ssh'; begin=\$(date +%s%N)
            '$bin/ascp' -q -P 2222 -i '$work/key' ${options[*]} $from $to || exit
            echo \$(( (\$(date +%s%N) - begin) / 1000000 )) >'$work/milliseconds'" \
        >"$work/emulator.log" 2>&1 || { cat "$work/emulator.log" "$work/server.log" >&2; exit 1; }
    if [ "$2" = download ]; then cmp "$work/$1" "$work/back"; else cmp "$work/$1" "$work/docroot/copy"; fi
    cat "$work/milliseconds"
}

median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

echo "path: round trip $rtt, $rate, loss $loss; ascp ${options[*]}; medians of $runs"
for direction in upload download; do
    tiny=$(for _ in $(seq "$runs"); do once byte "$direction"; done | median)
    whole=$(for _ in $(seq "$runs"); do once file "$direction"; done | median)
    awk -v d="$direction" -v t="$tiny" -v w="$whole" -v mb="$size_mb" 'BEGIN {
        printf "%-8s  one byte %.2f s;  %d MB %.2f s = %.1f Mbit/s over all, %.1f Mbit/s once it runs\n",
            d, t / 1000, mb, w / 1000, mb * 8000 / w, mb * 8000 / (w - t) }'
done
