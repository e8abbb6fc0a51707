//! The memory map and the sections are those of `esp-hal`.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Tlinkall.x");
}
