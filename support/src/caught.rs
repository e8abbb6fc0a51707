//! Panics of other people's code, caught and turned into a message.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is being caught just now.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` of a library that may panic: its result, or what it panicked with, on one line.
/// Nothing is printed.
///
/// # Errors
///
/// The panic's message.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let printed = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                printed(info);
            }
        }));
    });
    let outer = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        text.unwrap_or("no message").split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_becomes_its_message_and_what_returns_is_passed_on() {
        assert_eq!(caught(|| 7), Ok(7));
        let nothing: [u8; 0] = [];
        let index = std::hint::black_box(3);
        let error = caught(|| nothing[index]).expect_err("panics");
        assert!(error.contains("out of bounds"), "{error}");
        assert_eq!(caught(|| -> u8 { panic!("two\nlines") }), Err("two lines".into()));
    }
}
