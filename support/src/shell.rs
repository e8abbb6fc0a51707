//! Commands as a person would type them.

/// A word of a command line for a POSIX shell, in quotes where it needs them; always one line.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%^".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_string();
    }
    if !text.chars().any(char::is_control) {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let escaped = text.bytes().map(|byte| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    });
    format!("$'{}'", escaped.collect::<String>())
}

/// What was typed behind a program's name, without the options `valued`, which are followed by a
/// value, and `flags`, which are not.
pub fn typed(
    arguments: impl IntoIterator<Item = String>,
    valued: &[&str],
    flags: &[&str],
) -> Vec<String> {
    let mut kept = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let name = argument.split_once('=').map_or(&argument[..], |(name, _)| name);
        if valued.contains(&name) {
            if !argument.contains('=') {
                arguments.next();
            }
        } else if !flags.contains(&name) {
            kept.push(argument);
        }
    }
    kept
}

/// A command from its words.
pub fn line<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{line, typed, word};

    #[test]
    fn options_are_left_out_with_their_values() {
        let all = "finetune m --out x --data d --resume --out=y --seed 3".split(' ');
        let kept = typed(all.map(String::from), &["--out"], &["--resume"]);
        assert_eq!(line(kept.iter().map(String::as_str)), "finetune m --data d --seed 3");
    }

    #[test]
    fn a_word_stays_one_word_on_one_line() {
        for (text, typed) in [
            ("data/mnist", "data/mnist"),
            ("", "''"),
            ("my digits", "'my digits'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
            ("Ziffern/ä", "'Ziffern/ä'"),
            ("a\nb'", "$'a\\x0ab\\''"),
        ] {
            assert_eq!(word(text), typed);
        }
    }
}
