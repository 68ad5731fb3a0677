#!/usr/bin/env bash
# `ascp` on real sockets against the simulation: goodput in twelve cells of an emulated path, and two
# sessions that share one bottleneck.
#
#   WAN_RUN=/path/to/emulator tests/bench/wan_grid.sh [grid|pair]
#
# The emulator is the one of wan.sh and takes more here:
#   $WAN_RUN --rtt T --rate R --queue T --both overhead=38 --ab loss=P,lossat=out --wait PORT
#            --server COMMAND --client COMMAND
# overhead: bytes of each packet that only the link sees; lossat=out: losses behind the bottleneck. Both
# are as in the simulation, so that the numbers may be compared.
#
# Goodput is what the receiving process wrote to files between a quarter and 95 % of the bytes, sampled from
# outside (/proc/PID/io), as the simulation defines it. The fairness of two sessions is Jain's index of what
# their receivers wrote while both ran; `late half`, the same over the second half of that time.
#
# Three programs and the emulator share this machine: at 1 Gbit/s on few cores, other load shows in the numbers.
#
# In the environment: RUNS (1) of each cell, of which the median counts, SECONDS_LONG (10) how long a transfer
# should last, ROUND_TRIPS (40) and how many round trips at least, PAIR_SECONDS (30), PAIRS ("100mbit:50 1gbit:50"), RATES, ROUND_TRIPS_MS and LOSSES for other cells, ASCP_OPTIONS,
# SIMULATE=0 to leave the simulation out. Exits with 1 if a cell differs by more than 5 % or an index is below 0.95.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
emulator="${WAN_RUN:?name the WAN emulator: WAN_RUN=/path/to/emulator $0}"
what="${1:-all}"
seconds_long="${SECONDS_LONG:-10}" round_trips="${ROUND_TRIPS:-40}" simulate="${SIMULATE:-1}" runs="${RUNS:-1}"
read -ra rates <<<"${RATES:-100mbit 1gbit}"
read -ra round_trips_ms <<<"${ROUND_TRIPS_MS:-10 100 250}"
read -ra losses <<<"${LOSSES:-0 1}"
read -ra pairs <<<"${PAIRS:-100mbit:50 1gbit:50}"
read -ra options <<<"${ASCP_OPTIONS:---policy=fair}"

cargo build --release --quiet --package fasp-host --bins
[ "$simulate" = 0 ] || cargo build --release --quiet --package fasp-sim
bin="$PWD/${CARGO_TARGET_DIR:-target}/release"
work="$(mktemp -d)"
sampler=""
trap '[ -z "$sampler" ] || kill "$sampler" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/home"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
failed=0

mbps() { case "$1" in *gbit) echo $((${1%gbit} * 1000)) ;; *mbit) echo "${1%mbit}" ;; esac; }

# Bytes of a transfer that lasts as long as asked for at RATE, in so many round trips of MS at least.
size_for() { # RATE MS SECONDS
    local least=$(($2 * round_trips / 1000)) seconds="$3"
    [ "$least" -le "$seconds" ] || seconds="$least"
    echo $(($(mbps "$1") * seconds * 1000000 / 8))
}

# Makes the source at least BYTES long and links exactly that much of it.
source_of() { # BYTES
    local have=0
    [ ! -e "$work/random" ] || have=$(stat -c %s "$work/random")
    [ "$have" -ge "$1" ] || head -c $(($1 - have)) /dev/urandom >>"$work/random"
    [ "$(stat -c %s "$work/random")" -le "$1" ] || truncate -s "$1" "$work/random"
}

# Appends "seconds bytes" to FILE for the process whose number is in PID_FILE, until it ends.
sample() { # PID_FILE FILE
    local pid="" line bytes
    until [ -s "$1" ]; do
        [ -d "$work" ] || return
        sleep 0.05
    done
    pid=$(<"$1")
    while bytes=$(awk '/^wchar/ { print $2 }' "/proc/$pid/io" 2>/dev/null) && [ -n "$bytes" ]; do
        line="$EPOCHREALTIME $bytes"
        echo "$line" >>"$2"
        sleep 0.05
    done
}

server_command() { # NUMBER: a daemon with a port, a root and a process number of its own
    echo "'$bin/ascpd' --listen 0.0.0.0:$((2222 + $1)) --udp-port $((33001 + 100 * $1)) --docroot '$work/root$1' \
        --authorized-keys '$work/key.pub' --host-key '$work/host_key$1' >'$work/server$1.log' 2>&1 & echo \$! >'$work/pid$1'"
}

client_command() { # NUMBER TARGET_MBPS
    echo "'$bin/ascp' -q -P $((2222 + $1)) -O $((33001 + 100 * $1)) -i '$work/key' ${options[*]} -l ${2}M '$work/random' user@\$WAN_B:/copy"
}

emulate() { # RATE MS LOSS SERVER CLIENT
    local queue="$2"
    [ "$queue" -ge 20 ] || queue=20
    local loss=()
    [ "$3" = 0 ] || loss=(--ab "loss=$3%,lossat=out")
    "$emulator" --rtt "${2}ms" --rate "$1" --queue "${queue}ms" --both overhead=38 "${loss[@]}" --wait 2222 \
        --server "$4" --client "export HOME='$work/home'; $5" >"$work/emulator.log" 2>&1 || {
        cat "$work/emulator.log" "$work"/server*.log >&2
        exit 1
    }
}

clear_up() {
    rm -rf "$work"/root? "$work"/pid? "$work"/samples? "$work/home/.ssh"
    mkdir "$work/root0" "$work/root1"
}

one_cell() { # RATE MS LOSS: prints the goodput in Mbit/s
    clear_up
    local bytes
    bytes=$(size_for "$1" "$2" "$seconds_long")
    source_of "$bytes"
    sample "$work/pid0" "$work/samples0" &
    sampler=$!
    emulate "$1" "$2" "$3" "$(server_command 0); wait" "$(client_command 0 $((2 * $(mbps "$1"))))"
    wait "$sampler" || true
    sampler=""
    cmp "$work/random" "$work/root0/copy"
    awk -v size="$bytes" '
        $2 >= size / 4 && !start { start = $1; first = $2 }
        $2 <= size * 0.95 { end = $1; last = $2 }
        END { printf "%.1f\n", (last - first) * 8 / (end - start) / 1e6 }' "$work/samples0"
}

simulated() { # RATE MS LOSS: prints the goodput in Mbit/s
    local seconds=$(($2 * round_trips / 1000))
    [ "$seconds" -ge "$seconds_long" ] || seconds="$seconds_long"
    "$bin/fasp-sim" transfer --rate-bps "$(mbps "$1")000000" --round-trip-ms "$2" --loss-ppm "$(($3 * 10000))" \
        --seconds "$seconds" | sed 's/goodput_bps=\([0-9]*\).*/\1/' | awk '{ printf "%.1f\n", $1 / 1e6 }'
}

median() { sort -n | awk '{ all[NR] = $1 } END { if (!NR) exit 1; print all[int((NR + 1) / 2)] }'; }

grid() {
    echo "One session, ascp ${options[*]} -l twice the rate; Mbit/s of file bytes:"
    printf '%8s %7s %6s %9s %9s %7s\n' rate 'RTT ms' 'loss %' real simulated ratio
    local rate ms loss real model ratio
    for rate in "${rates[@]}"; do for ms in "${round_trips_ms[@]}"; do for loss in "${losses[@]}"; do
        real=$(for _ in $(seq "$runs"); do one_cell "$rate" "$ms" "$loss" || exit; done | median)
        model=-
        ratio=-
        if [ "$simulate" != 0 ]; then
            model=$(simulated "$rate" "$ms" "$loss")
            ratio=$(awk -v a="$real" -v b="$model" 'BEGIN { printf "%.3f", a / b }')
            awk -v r="$ratio" 'BEGIN { exit !(r >= 0.95 && r <= 1.05) }' || { failed=1; ratio="$ratio !"; }
        fi
        printf '%8s %7s %6s %9s %9s %7s\n' "$rate" "$ms" "$loss" "$real" "$model" "$ratio"
    done; done; done
}

# Jain's index over the time in which both receivers wrote, and over the second half of it.
jain() {
    awk '
        FNR == 1 { flow++ }
        { time[flow, FNR] = $1; bytes[flow, FNR] = $2; rows[flow] = FNR }
        # Bytes of a flow at a moment, between two samples in proportion.
        function at(f, t,    i, share) {
            for (i = 2; i < rows[f] && time[f, i] < t; i++);
            share = (t - time[f, i - 1]) / (time[f, i] - time[f, i - 1])
            return bytes[f, i - 1] + share * (bytes[f, i] - bytes[f, i - 1])
        }
        function index_of(from, to,    a, b) {
            a = at(1, to) - at(1, from); b = at(2, to) - at(2, from)
            return (a + b) ^ 2 / (2 * (a ^ 2 + b ^ 2))
        }
        END {
            for (f = 1; f <= 2; f++) {
                total = bytes[f, rows[f]]
                for (i = 1; bytes[f, i] < 100000; i++);
                for (j = rows[f]; bytes[f, j] >= total * 0.99; j--);
                if (time[f, i] > from) from = time[f, i]
                if (!to || time[f, j] < to) to = time[f, j]
            }
            a = (at(1, to) - at(1, from)) * 8 / (to - from) / 1e6
            b = (at(2, to) - at(2, from)) * 8 / (to - from) / 1e6
            printf "%.1f %.1f %.1f %.4f %.4f\n", to - from, a, b, index_of(from, to), index_of((from + to) / 2, to)
        }' "$work/samples0" "$work/samples1"
}

pair() {
    echo "Two sessions, ascp ${options[*]} -l twice the rate; Mbit/s of file bytes while both ran:"
    printf '%8s %7s %6s %9s %9s %7s %9s\n' rate 'RTT ms' 'time s' first second Jain 'late half'
    local entry rate ms samplers time first second index late
    for entry in "${pairs[@]}"; do
        rate="${entry%:*}" ms="${entry#*:}"
        clear_up
        source_of "$(size_for "$rate" "$ms" $((${PAIR_SECONDS:-30} / 2)))"
        samplers=()
        for number in 0 1; do
            sample "$work/pid$number" "$work/samples$number" &
            samplers+=($!)
        done
        emulate "$rate" "$ms" 0 "$(server_command 0); $(server_command 1); wait" \
            "$(client_command 0 $((2 * $(mbps "$rate")))) & first=\$!; $(client_command 1 $((2 * $(mbps "$rate")))) && wait \$first"
        wait "${samplers[@]}" || true
        cmp "$work/random" "$work/root0/copy"
        cmp "$work/random" "$work/root1/copy"
        read -r time first second index late < <(jain)
        awk -v j="$index" 'BEGIN { exit !(j >= 0.95) }' || { failed=1; index="$index !"; }
        printf '%8s %7s %6s %9s %9s %7s %9s\n' "$rate" "$ms" "$time" "$first" "$second" "$index" "$late"
    done
}

[ "$what" = pair ] || grid
[ "$what" = grid ] || pair
exit "$failed"
