#!/usr/bin/env bash
# Everything that is checked, cheapest first. `./ci.sh` runs all of it; `./ci.sh VERB…` a part.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./ci.sh [VERB…]

  setup       install what the tests can use: ONNX Runtime, onnx and TensorFlow Lite for
              Microcontrollers by pip into target/python, bare-metal targets and QEMU
              (tools/mcu-toolchain), compilers for the other systems and a browser
  format      cargo fmt, without changing a file: workspace, boards, counts, play, examples
  lint        cargo clippy: the workspace
  lint-firmware  cargo clippy: boards, counts, firmware-core and the firmwares of examples, each for its target
  test        all tests of the host workspace, the boards' and cores' in QEMU among them
  all-inputs  the tests of boards, of the records and of imported models with all their inputs
  benches     every benchmark once, to see that it runs
  minimum     the declared minimum Rust versions build the workspace and the firmware
  aarch64     firmware-core's tests, built for aarch64 Linux and run by qemu-aarch64, with dot products and
              without
  wasm        firmware-core builds for wasm32-unknown-unknown, and its kernels for simd128 give the scalar
              ones' integers under Node
  windows     trainer and converter build for Windows (x86_64-pc-windows-gnu)
  miri        the layers of firmware-core under Miri, which sees undefined behaviour (needs a nightly
              compiler with it)
  package     firmware-core, the protocol, support, data and converter as the packages that are published, each
              built from its own files alone
  fuzz        an hour of fuzzing for each kind of input (INKLING_FUZZ_SECONDS), from a seed that is
              said and may be given (INKLING_FUZZ_SEED); `test` runs a few thousand mutants
  parquet     Hugging Face's data sets, read by a build with the feature `parquet`, which no other test pays for
  slurm       a sweep by docs/cluster/slurm.sh on a real Slurm of one node, beside the same sweep by one command
              (needs root and Debian's slurmctld, slurmd, slurm-client and munge)
  site        README, guide, docs and the play page as one site in target/site/html, by mdbook (which it
              compiles once where there is none), every link followed
  mcu-report  flash, RAM and instructions of every network on every core, as the README shows them
  all         format lint lint-firmware test benches miri package minimum aarch64 wasm windows site (the default)

What lacks a tool says SKIPPED and passes, and is listed at the end; after `setup` that is what needs another
compiler (Miri, the minimum versions, where rustup cannot fetch them) or files of ../shared.
With INKLING_REQUIRE_ORT, INKLING_REQUIRE_ONNX, INKLING_REQUIRE_TFLITE_MICRO, INKLING_REQUIRE_MCU or
INKLING_REQUIRE_SYSTEMS (every verb here that would skip, and the play page's module) set to 1 a missing tool fails;
with INKLING_REQUIRE_BROWSER, a missing browser; with INKLING_REQUIRE_SHARED or INKLING_REQUIRE_CASES, a missing file
of ../shared.
TEXT
}

# What `setup` installed is found by the tests through these.
export PYTHONPATH="$PWD/target/python${PYTHONPATH:+:$PYTHONPATH}"
mcu_rustc=$PWD/target/mcu/bin/rustc
skipped=$PWD/target/skipped

# --- helpers ------------------------------------------------------------------------------------

# What is skipped is one list: the tests write to the same file (tests/src/skip.rs).
skip() { # WHAT WHY
    if [ "${INKLING_REQUIRE_SYSTEMS:-}" = 1 ]; then
        echo "error: INKLING_REQUIRE_SYSTEMS=1, but $1 is to be skipped: $2" >&2
        exit 1
    fi
    echo "SKIPPED: $1: $2" | tee -a "$skipped"
}

list_skipped() {
    if [ -s "$skipped" ]; then
        echo "== skipped"
        sort -u "$skipped"
    fi
}

# Whether the library of a target, or what stands for it, is there or can be fetched now.
has_target() { # TARGET [TOOLCHAIN]
    local toolchain=${2:+--toolchain $2}
    command -v rustup >/dev/null || return 1
    # shellcheck disable=SC2086 # an option and its value, or nothing
    rustup target list --installed $toolchain 2>/dev/null | grep -qx "$1" ||
        RUSTUP_MAX_RETRIES=0 timeout 300 rustup target add $toolchain "$1" >/dev/null 2>&1
}

has_toolchain() { # VERSION
    command -v rustup >/dev/null || return 1
    rustup toolchain list 2>/dev/null | grep -q "^$1-" ||
        RUSTUP_MAX_RETRIES=0 timeout 600 rustup toolchain install "$1" --profile minimal >/dev/null 2>&1
}

# The value of `rust-version` in a Cargo.toml.
declared_rust() { sed -nE 's/^rust-version = "([0-9.]+)"/\1/p' "$1"; }

# Every folder with a firmware workspace, and the machine that counts is linked for.
boards() { for board in firmware-core/boards/*/Cargo.toml; do dirname "$board"; done | grep -v '/app$'; }

# The firmwares that users copy.
firmware_examples="examples/cortex-m-rt examples/embassy"

firmware() { # PREFIX-OF-COMMAND: runs it in each firmware workspace, for its target
    local board
    for board in $(boards); do
        (cd "$board" && "$@" --bins)
    done
    for target in "mps2-an386 thumbv7em-none-eabihf" "virt riscv32imc-unknown-none-elf"; do
        (cd firmware-core/counts && COUNTS_MACHINE=${target% *} "$@" --bins --target "${target#* }")
    done
}

# --- verbs --------------------------------------------------------------------------------------

setup() {
    if ! python3 -c 'import onnx, onnxruntime' 2>/dev/null; then
        python3 -m pip install --quiet --target target/python onnxruntime==1.32.0 onnx==1.23.2
    fi
    # Without its dependencies: numpy is there, and the interpreter needs no other.
    if ! python3 -c 'from tflite_micro.python.tflite_micro import runtime' 2>/dev/null; then
        python3 -m pip install --quiet --target target/python --no-deps --pre tflite-micro==0.dev20261023182759
    fi
    tools/mcu-toolchain
    tools/other-systems
}

format() {
    cargo fmt --all --check
    local folder
    for folder in $(boards) firmware-core/counts play examples/build-script $firmware_examples; do
        cargo fmt --check --manifest-path "$folder/Cargo.toml"
    done
    # The shared application is in no workspace, which cargo fmt asks for.
    rustfmt --check --edition 2024 firmware-core/boards/app/build.rs firmware-core/boards/app/src/lib.rs
}

lint() {
    cargo clippy --quiet --workspace --all-targets -- -D warnings
    # What a build.rs takes of the converter: no tract, no command line.
    cargo clippy --quiet --package inkling-converter --lib --no-default-features -- -D warnings
    # What the page of `trainer play` takes of the data: nothing that reads files.
    cargo clippy --quiet --package inkling-data --lib --no-default-features -- -D warnings
}

lint_firmware() {
    # clippy needs the library of each target in its own toolchain, which Debian's compiler has not.
    local target targets="thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabihf riscv32imc-unknown-none-elf
        riscv32imac-unknown-none-elf"
    for target in $targets; do
        if ! has_target "$target"; then
            skip "clippy for the firmware" "rustup has no library for $target"
            return
        fi
    done
    clippy_firmware() { cargo clippy --quiet --release --locked --target-dir target/clippy "$@" -- -D warnings; }
    firmware clippy_firmware
    # What those are built on, which as a dependency is not looked at.
    for target in $targets; do
        clippy_firmware --package firmware-core --target "$target"
    done
    local example
    for example in $firmware_examples; do
        (cd "$example" && clippy_firmware --bins)
    done
}

test() { tools/run-tests; }

all_inputs() { INKLING_ALL_INPUTS=1 cargo test --quiet --package tests --test boards --test records_cores --test tflite --test tflite_cores \
    --test quantized_onnx --test quantized_onnx_cores; }

benches() { cargo test --quiet --package benches --benches; }

miri() {
    local toolchain=nightly
    if ! cargo +$toolchain miri --version >/dev/null 2>&1; then
        skip "firmware-core under Miri" "there is no 'cargo +$toolchain miri' (rustup +$toolchain component add miri rust-src)"
        return
    fi
    cargo +$toolchain miri test --quiet --locked --package firmware-core --test layers --target-dir target/miri
}

package() {
    # In a folder of its own every time: cargo takes a package of the same version that it packed before.
    local folder
    folder=$(mktemp -d "$PWD/target/package-XXXXXX")
    # Without tract and the command line, whose packages the other verbs build.
    cargo package --quiet --locked --package firmware-core --package inkling-protocol --package inkling-support \
        --package inkling-data --package inkling-converter --no-default-features --features inkling-data/files \
        --target-dir "$folder" ${INKLING_PACKAGE_DIRTY:+--allow-dirty}
    rm -r "$folder"
}

minimum() {
    local host firmware
    host=$(declared_rust Cargo.toml)
    if has_toolchain "$host"; then
        cargo "+$host" check --quiet --workspace --locked --target-dir target/minimum
    else
        skip "the workspace with Rust $host" "rustup cannot fetch that compiler"
    fi
    firmware=$(declared_rust firmware-core/Cargo.toml)
    if has_toolchain "$firmware" && has_target thumbv7em-none-eabihf "$firmware"; then
        (cd firmware-core/boards/stm32f405 &&
            cargo "+$firmware" check --quiet --locked --bins --release --target-dir target/minimum)
    else
        skip "the firmware with Rust $firmware" "rustup cannot fetch that compiler"
    fi
}

aarch64() {
    local target=aarch64-unknown-linux-gnu tool
    for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
        command -v $tool >/dev/null || { skip "firmware-core on aarch64" "there is no $tool"; return; }
    done
    has_target $target || { skip "firmware-core on aarch64" "rustup has no library for $target"; return; }
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu" \
        cargo test --quiet --locked --package firmware-core --package inkling-protocol --features firmware-core/std \
        --target $target
    # A core without dot products, which are to be found at run time only.
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -cpu cortex-a53 -L /usr/aarch64-linux-gnu" \
        cargo test --quiet --locked --package firmware-core --features firmware-core/std --target $target \
        --test layers
}

wasm() {
    local target=wasm32-unknown-unknown
    has_target $target || { skip "firmware-core as wasm" "rustup has no library for $target"; return; }
    cargo build --quiet --locked --release --package firmware-core --package inkling-protocol --target $target
    target=wasm32-wasip1
    command -v node >/dev/null || { skip "the kernels of wasm" "there is no node"; return; }
    has_target $target || { skip "the kernels of wasm" "rustup has no library for $target"; return; }
    CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-C target-feature=+simd128" \
        CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $PWD/tools/wasi.mjs" \
        cargo test --quiet --locked --package firmware-core --test layers --target $target
}

windows() {
    local target=x86_64-pc-windows-gnu
    command -v x86_64-w64-mingw32-gcc >/dev/null || { skip "the Windows build" "there is no x86_64-w64-mingw32-gcc"; return; }
    has_target $target || { skip "the Windows build" "rustup has no library for $target"; return; }
    # Nothing of it runs here, so nothing of it is optimized.
    CARGO_PROFILE_DEV_OPT_LEVEL=0 cargo build --quiet --locked --package trainer --package inkling-converter --target $target
}

fuzz() {
    export INKLING_FUZZ_SECONDS=${INKLING_FUZZ_SECONDS:-3600} INKLING_FUZZ_SEED=${INKLING_FUZZ_SEED:-$RANDOM}
    echo "seed $INKLING_FUZZ_SEED, $INKLING_FUZZ_SECONDS seconds for each kind of input"
    cargo test --quiet --package tests --test fuzz -- --nocapture
}

parquet() { cargo test --quiet --package inkling-data --features parquet parquet; }

slurm() {
    local tool
    for tool in munged slurmctld slurmd sbatch; do
        command -v $tool >/dev/null || {
            skip "a sweep on Slurm" "there is no $tool (apt-get install slurmctld slurmd slurm-client munge)"
            return
        }
    done
    [ "$(id -u)" = 0 ] || { skip "a sweep on Slurm" "its daemons run as root alone"; return; }
    tools/slurm-sweep
}

site() {
    local mdbook wasm=wasm32-unknown-unknown
    mdbook=$(command -v mdbook || echo target/mdbook/bin/mdbook)
    if ! [ -x "$mdbook" ] && ! cargo install --quiet mdbook --version 0.5.4 --locked --no-default-features \
        --features search --root target/mdbook --target-dir target/mdbook/build; then
        skip "the site" "there is no mdbook, and cargo cannot install it"
        return
    fi
    has_target $wasm || { skip "the site" "rustup has no library for $wasm, which its play page needs"; return; }
    rm -rf target/site
    cargo run --quiet --package tests --bin site -- target/site
    "$mdbook" build target/site
    cargo run --quiet --package trainer -- play --out target/site/html/docs/play
    cargo run --quiet --package tests --bin site -- target/site --check
}

mcu_report() { tools/mcu-report; }

all() { for verb in format lint lint-firmware test benches miri package minimum aarch64 wasm windows site; do step "$verb"; done; }

step() {
    echo "== $1"
    "${1//-/_}"
}

[ $# -gt 0 ] || set -- all
mkdir -p target
rm -f "$skipped"
trap list_skipped EXIT
for verb in "$@"; do
    case $verb in
        setup | format | lint | lint-firmware | test | all-inputs | benches | miri | package | minimum | aarch64 | wasm | windows | fuzz | parquet | slurm | site | mcu-report) step "$verb" ;;
        all) all ;;
        -h | --help | help) usage ;;
        *) usage >&2; echo "error: no verb '$verb'" >&2; exit 2 ;;
    esac
done
