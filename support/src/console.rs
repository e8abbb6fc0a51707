//! Results for a person or a pipe.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Mutex;

use crate::stage;

/// The first error of standard output, for [`exit_code`].
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes to standard output. A reader that has gone away, as `| head` does, is no error: what
/// was asked for has been done, and nobody is left to be told. Any other error, such as that of a
/// full disk, is kept for [`exit_code`].
pub fn print(text: &str) {
    stage::clear();
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(harmless(text).as_bytes()).and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
        && let Ok(mut failed) = FAILED.lock()
    {
        failed.get_or_insert(error);
    }
}

/// Writes a line to standard error.
pub fn note(text: impl Display) {
    stage::clear();
    // Nobody is left who could be told of an error here.
    let _ = writeln!(io::stderr().lock(), "{}", harmless(&text.to_string()));
}

/// What a program ends with: an error is told in one line, and so is output that was lost.
pub fn exit_code<E: Display>(result: Result<(), E>) -> ExitCode {
    stage::clear();
    let lost = FAILED.lock().ok().and_then(|mut failed| failed.take());
    match (result, lost) {
        (Ok(()), None) => return ExitCode::SUCCESS,
        (Err(error), _) => note(format_args!("error: {error:#}")),
        (Ok(()), Some(error)) => note(format_args!(
            "error: standard output: cannot be written: {error}; what was printed is incomplete"
        )),
    }
    ExitCode::FAILURE
}

/// Text without what a terminal takes as a command: control characters, which names of files and
/// classes may hold, are written as Rust writes them, such as `\u{1b}`. Line feeds and tabs stay.
pub fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() && c != '\n' && c != '\t') || is_direction(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A name on one line: as [`harmless`], line feeds and tabs too.
pub fn one_line(name: &str) -> String {
    harmless(name).replace('\n', "\\n").replace('\t', "\\t")
}

/// Marks that turn the direction of writing, with which one name can look like another.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{harmless, one_line};

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(harmless("a\u{1b}[31mb\u{7}\r\u{9b}1m"), "a\\u{1b}[31mb\\u{7}\\u{d}\\u{9b}1m");
        assert_eq!(harmless("äöü → 字\tx\n"), "äöü → 字\tx\n");
        assert_eq!(harmless("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(one_line("a\nb\tc"), "a\\nb\\tc");
    }
}
