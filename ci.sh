#!/usr/bin/env bash
# Everything that is checked, cheapest first. `./ci.sh` runs all of it; `./ci.sh VERB…` a part.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./ci.sh [VERB…]

  setup       install what the tests can use: ONNX Runtime and onnx by pip into target/python,
              bare-metal targets and QEMU (tools/mcu-toolchain)
  format      cargo fmt, without changing a file
  lint        cargo clippy, host workspace and firmware crates
  test        all tests of the host workspace, the boards' in QEMU among them
  benches     every benchmark once, to see that it runs
  mcu-report  flash, RAM and instructions per board, as the README shows them
  all         format lint test benches (the default)

Tests that lack a tool say SKIPPED and pass; after `setup` nothing is skipped.
With INKLING_REQUIRE_ORT, INKLING_REQUIRE_ONNX or INKLING_REQUIRE_MCU set to 1 a missing tool fails.
TEXT
}

# What `setup` installed is found by the tests through these.
export PYTHONPATH="$PWD/target/python${PYTHONPATH:+:$PYTHONPATH}"

setup() {
    if ! python3 -c 'import onnx, onnxruntime' 2>/dev/null; then
        python3 -m pip install --quiet --target target/python onnxruntime==1.32.0 onnx==1.23.2
    fi
    tools/mcu-toolchain
}
format() { cargo fmt --all --check; }
lint() {
    cargo clippy --quiet --workspace --all-targets -- -D warnings
    # What a build.rs takes of the converter: no tract, no command line.
    cargo clippy --quiet --package converter --lib --no-default-features -- -D warnings
}
test() { cargo test --quiet --workspace; }
benches() { cargo test --quiet --package benches --benches; }
mcu_report() { tools/mcu-report; }
all() { for verb in format lint test benches; do step "$verb"; done; }

step() {
    echo "== $1"
    "${1//-/_}"
}

[ $# -gt 0 ] || set -- all
for verb in "$@"; do
    case $verb in
        setup | format | lint | test | benches | mcu-report) step "$verb" ;;
        all) all ;;
        -h | --help | help) usage ;;
        *) usage >&2; echo "error: no verb '$verb'" >&2; exit 2 ;;
    esac
done
