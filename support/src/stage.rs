//! What long work is at, for whoever watches a terminal: one line on standard error that the next
//! output takes away. Pipes and files are told nothing.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the line is there.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Says what comes now, in the place of what was said before.
pub fn show(what: impl Display) {
    let mut err = io::stderr().lock();
    // A terminal that cannot go back to the beginning of a line would be filled with them.
    let can = err.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if can && write!(err, "\r\u{1b}[K{what} …").and_then(|()| err.flush()).is_ok() {
        SHOWN.store(true, Ordering::Relaxed);
    }
}

/// Takes the line away.
pub fn clear() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        // Nobody is left who could be told of an error here.
        let _ = io::stderr().lock().write_all(b"\r\x1b[K");
    }
}
