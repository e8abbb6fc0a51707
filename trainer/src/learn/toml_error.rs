//! What is wrong with a TOML file that a person wrote.

/// What is wrong with a TOML file, in one line that begins with the line of the text.
pub fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let message = plain(error.message());
    match error.span() {
        Some(span) => {
            let line = 1 + text[..span.start.min(text.len())].matches('\n').count();
            format!("line {line}: {message}")
        }
        None => message,
    }
}

/// A message of serde's in one line, in words for those who do not know Rust.
pub fn plain(text: &str) -> String {
    let words = text.split_whitespace().map(|word| match word {
        "usize" => "a whole number from 0 up",
        "f32" | "f64" => "a number",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}
