#!/usr/bin/env bash
# Many small files over the loopback: `ascp` through sshd and through ascpd, `rsync -a` over ssh, and `tar | ssh`, in the same run.
#
#   tests/bench/many_small_files.sh [FILES [FOLDERS [ROUNDS]]]      200000 files of 1 KB in 2000 folders, one round
#
# Prints the seconds of each whole command, from its start to its end, the peak of resident memory of the client and of the
# server's side in MB (of the largest process there; ssh and sshd, which all but ascpd use, are not counted), and how long each takes
# compared with ascp through sshd. Every copy is compared with the source, and stays until the end: ext4 without a journal is slow to
# make files for five minutes after many were removed, so leave that time between two runs. Before each command everything is on the disk: ascp brings its files to the disk before it ends, and the others do not, which is not made up for here.
#
# Needs sshd, ssh, rsync, tar and GNU time (Debian: openssh-server openssh-client rsync tar time). It starts a sshd of its own on a free port,
# works in a folder of its own below TMPDIR (on most disks 4 KB for each file, five times and four times more for each further round), and removes both at the end, however it ends.
# ASCP_OPTIONS in the environment replaces `-l 1G`; BIN names a folder with ascp and ascpd, which are built otherwise. A command that takes more than 15 minutes is stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
files="${1:-200000}" folders="${2:-2000}" rounds="${3:-1}"
read -ra options <<<"${ASCP_OPTIONS:--l 1G}"
sshd_program="$(command -v sshd || echo /usr/sbin/sshd)"
for program in "$sshd_program" ssh rsync tar /usr/bin/time; do
    command -v "$program" >/dev/null || { echo "missing: $program" >&2; exit 1; }
done

if [ -n "${BIN:-}" ]; then
    bin="$(realpath "$BIN")"
else
    cargo build --release --quiet --package fasp-host --bins
    bin="$PWD/${CARGO_TARGET_DIR:-target}/release"
fi
work="$(mktemp -d)"
children=()
clean_up() {
    [ "${#children[@]}" -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

free_port() { # Nobody listens on it now.
    local port
    while port=$((20000 + RANDOM % 20000)); (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

chmod 755 "$work"
mkdir "$work/source" "$work/docroot" "$work/home"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
ssh-keygen -q -t ed25519 -N '' -f "$work/sshd_key"
ssh_port="$(free_port)" daemon_port="$(free_port)" udp_port="$(free_port)"
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
cat >"$work/sshd_config" <<END
Port $ssh_port
ListenAddress 127.0.0.1
HostKey $work/sshd_key
PidFile none
AuthorizedKeysFile $work/key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
LogLevel ERROR
SetEnv PATH="/usr/bin:/bin"
END
"$sshd_program" -D -e -f "$work/sshd_config" 2>"$work/sshd.log" &
children+=($!)
"$bin/ascpd" --listen "127.0.0.1:$daemon_port" --docroot "$work/docroot" --authorized-keys "$work/key.pub" \
    --host-key "$work/host_key" --udp-port "$udp_port" >"$work/ascpd.log" 2>&1 &
daemon=$!
children+=("$daemon")

# The server's side of each, which leaves its peak memory in a file.
for program in "$bin/ascp" "$(command -v rsync)" "$(command -v tar)"; do
    printf '#!/bin/sh\nexec /usr/bin/time -f %%M -o "%s" "%s" "$@"\n' "$work/server_kb" "$program" >"$work/far_$(basename "$program")"
    chmod 755 "$work/far_$(basename "$program")"
done
login="$(id -un)@127.0.0.1"
shell=(ssh -p "$ssh_port" -i "$work/key" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)
until grep -q listening "$work/ascpd.log" && (: <"/dev/tcp/127.0.0.1/$ssh_port") 2>/dev/null; do sleep 0.05; done

echo "growing $files files of 1 KB in $folders folders ..."
head -c 1000000 /dev/urandom >"$work/random"
python3 - "$work/source" "$work/random" "$files" "$folders" <<'END'
import os, sys
root, random, files, folders = sys.argv[1], open(sys.argv[2], "rb").read(), int(sys.argv[3]), int(sys.argv[4])
for folder in range(folders):
    os.makedirs(f"{root}/{folder // 50:03}/{folder:05}")
for number in range(files):
    folder = number % folders
    at = number * 7919 % (len(random) - 1000)
    with open(f"{root}/{folder // 50:03}/{folder:05}/{number:07}.dat", "wb") as out:
        out.write(random[at : at + 1000])
END

common=(-q -i "$work/key" "${options[@]}" "$work/source")
over_sshd() { HOME="$work/home" "${timed[@]}" "$bin/ascp" -P "$ssh_port" -O "$udp_port" -S "$work/far_ascp" "${common[@]}" "$login:$work/docroot/$copy"; }
over_ascpd() { HOME="$work/home" "${timed[@]}" "$bin/ascp" -P "$daemon_port" -O "$udp_port" "${common[@]}" "user@127.0.0.1:/$copy"; }
with_rsync() { "${timed[@]}" rsync -a --rsync-path="$work/far_rsync" -e "${shell[*]}" "$work/source/" "$login:$work/docroot/$copy/"; }
with_tar() {
    mkdir "$work/docroot/$copy"
    "${timed[@]}" sh -c 'from="$1"; far="$2"; to="$3"; shift 3; tar -C "$from" -cf - . | "$@" "$far -C $to -xf -"' \
        tar "$work/source" "$work/far_tar" "$work/docroot/$copy" "${shell[@]}" "$login"
}

measure() { # NAME COMMAND
    local begin end
    copies=$((copies + 1)) copy="copy$copies"
    rm -f "$work/server_kb"
    sync
    timed=(timeout 900 /usr/bin/time -f '%M' -o "$work/client_kb")
    begin=$(date +%s%N)
    "$2"
    end=$(date +%s%N)
    # Its only session so far.
    [ "$2" != over_ascpd ] || awk '/VmHWM/ { print $2 }' "/proc/$daemon/status" >"$work/server_kb"
    diff -rq "$work/source" "$work/docroot/$copy"
    awk -v name="$1" -v ms="$(((end - begin) / 1000000))" -v base="${base:-0}" \
        -v client="$(tail -n 1 "$work/client_kb")" -v server="$(tail -n 1 "$work/server_kb")" 'BEGIN {
        printf "%-18s %8.2f s   x %5.2f   client %6.1f MB   server %6.1f MB\n",
            name, ms / 1000, base ? ms / base : 1, client / 1000, server / 1000 }'
    base="${base:-$(((end - begin) / 1000000))}"
}

copies=0
for round in $(seq "$rounds"); do
    echo "round $round: ascp ${options[*]}"
    base=
    measure "ascp, sshd" over_sshd
    measure "ascp, ascpd" over_ascpd
    measure "rsync -a, ssh" with_rsync
    measure "tar | ssh" with_tar
done
