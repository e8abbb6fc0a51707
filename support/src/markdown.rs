//! Text of others inside Markdown.

use crate::console::one_line;

/// Text that is shown as it is: no emphasis, link, table cell, code or HTML begins in it, and it is
/// one line.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text in code quotes, which end where it says and not before.
pub fn code(text: &str) -> String {
    let text = one_line(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let quotes = "`".repeat(longest + 1);
    if longest > 0 { format!("{quotes} {text} {quotes}") } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::{code, escape};

    #[test]
    fn nothing_begins_in_a_name() {
        assert_eq!(escape("a|b\n<b>*x*"), "a\\|b\\\\n&lt;b&gt;\\*x\\*");
        assert_eq!(escape("Katze 7-b"), "Katze 7-b");
        assert_eq!(code("a b"), "`a b`");
        assert_eq!(code("a``b"), "``` a``b ```");
    }
}
