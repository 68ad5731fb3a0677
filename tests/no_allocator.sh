#!/usr/bin/env bash
# Shows that core and the library of firmware, built for a bare machine, neither link nor ask for an allocator.
# Usage: tests/no_allocator.sh TARGET   (after: cargo build -p fasp-firmware --target TARGET)
#
# A library has no link step of its own, so one is made: a static library that links it, with a
# panic handler and no global allocator. rustc refuses it as soon as anything below depends
# on `alloc`. Then no object in it may name the allocator's entry points.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="$1"
folder="${CARGO_TARGET_DIR:-target}/$target/debug"
# Procedural macros are programs of the machine that builds.
host="${CARGO_TARGET_DIR:-target}/debug"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

link() { # NAME, source on standard input
    cat >"$work/$1.rs"
    rustc --edition 2024 --target "$target" --crate-type staticlib --crate-name "$1" \
        -C panic=abort -L "dependency=$folder/deps" -L "dependency=$host/deps" \
        --extern "fasp_core=$folder/libfasp_core.rlib" \
        --extern "fasp_firmware=$folder/libfasp_firmware.rlib" -o "$work/$1.a" "$work/$1.rs"
}
names_an_allocator() { grep --text --quiet --fixed-strings '__rust_alloc' "$1"; }

panic_handler='#[panic_handler] fn panic(_: &core::panic::PanicInfo<'"'"'_>) -> ! { loop {} }'

for library in fasp_core fasp_firmware; do
    link "proof_$library" <<SOURCE
#![no_std]
extern crate $library;
$panic_handler
SOURCE
    if names_an_allocator "$work/proof_$library.a"; then
        echo "$library asks for an allocator" >&2
        exit 1
    fi
done

# The check must be able to fail: the same with an allocation in it is refused.
if link counterproof 2>/dev/null <<SOURCE && ! names_an_allocator "$work/counterproof.a"; then
#![no_std]
extern crate alloc;
extern crate fasp_core;
$panic_handler
#[unsafe(no_mangle)]
pub extern "C" fn allocates() -> usize { alloc::vec::Vec::<u8>::with_capacity(9).capacity() }
SOURCE
    echo "this check would not notice an allocator" >&2
    exit 1
fi
echo "core and firmware link no allocator for $target"
