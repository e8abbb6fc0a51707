//! Results for a person or a pipe.

use std::io::{self, Write};

/// Writes to standard output. A reader that has gone away, as `| head` does, is no error: what
/// was asked for has been done, and nobody is left to be told.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
