#!/bin/bash
# Checks every kernel against the scalar one under QEMU, and counts what `simple` costs.
#   run.sh PREFIX [TARGET...]     PREFIX: where the microcontroller toolchain was set up
# Exit status 0 only if every target built, ran and matched.
set -euo pipefail
prefix=$(realpath "$1")
cd "$(dirname "$0")"
shift
targets=${*:-thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabihf thumbv8m.main-none-eabihf riscv32imc-unknown-none-elf}
export RUSTC=$prefix/bin/rustc
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT

emulate() { # TARGET PROGRAM [QEMU OPTION...]
    local machine
    case $1 in
        thumbv6m*) machine="qemu-system-arm -M microbit" ;;
        thumbv7m*) machine="qemu-system-arm -M mps2-an385" ;;
        thumbv7em*) machine="qemu-system-arm -M mps2-an386" ;;
        thumbv8m.main*) machine="qemu-system-arm -M mps3-an547" ;;
        riscv32*) machine="qemu-system-riscv32 -M virt -bios none" ;;
    esac
    # shellcheck disable=SC2086 # the machine is several words
    timeout 300 $machine -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native "${@:3}" \
        -kernel "target/$1/release/$2" </dev/null
}

printf '%-30s %9s %9s %9s %9s %9s %6s %6s\n' target total conv1 conv2 fc1 fc2 stack text
for target in $targets; do
    features=()
    # The machine's Cortex-M55 has the DSP extension, as most Cortex-M33 have.
    case $target in thumbv8m.main*) features=(--features dsp) ;; esac
    cargo build --quiet --release --target "$target" "${features[@]}"
    emulate "$target" check >/dev/null || { echo "FAILED: check on $target" >&2; emulate "$target" check >&2; exit 1; }
    stack=$(emulate "$target" count -plugin "$prefix/libicount.so,out=$counts" | sed -n 's/^stack //p')
    # Five regions per image: the whole, then the layers; the worst of the images each.
    text=$(size -A "target/$target/release/count" 2>/dev/null | awk '$1 == ".text" {print $2}')
    awk -v target="$target" -v stack="$stack" -v text="$text" '
        $1 == "region" { i = n++ % 5; if (n <= 500 && $4 > worst[i]) worst[i] = $4 }
        END { printf "%-30s %9d %9d %9d %9d %9d %6d %6d\n",
              target, worst[0], worst[1], worst[2], worst[3], worst[4], stack, text }' "$counts"
done
