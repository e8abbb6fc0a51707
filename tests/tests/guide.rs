//! Every command of the guide and what it prints.

/// Runs the `console` blocks of docs/guide.md in the repository's folder and compares their output
/// with the guide's. `TRYCMD=overwrite` writes what they print now into it.
#[test]
fn the_guide_says_what_the_commands_print() {
    std::env::set_current_dir(tests::root()).expect("the repository is there");
    trycmd::TestCases::new()
        .register_bin("cargo", std::path::PathBuf::from(env!("CARGO")))
        .timeout(std::time::Duration::from_secs(600))
        .case("docs/guide.md");
}
