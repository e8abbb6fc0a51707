//! Ctrl-C during a training: the step is finished, and the run ends with a word about how to go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// The exit code of programs that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Whether somebody asked for an end. From the first look at it on Ctrl-C asks for one, and only a
/// second one ends the process at once.
static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
    let asked = Arc::new(AtomicBool::new(false));
    // Where signals cannot be had, Ctrl-C does what it does to any process. The order matters: the
    // first signal finds the flag unset.
    let _ = flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&asked));
    let _ = flag::register(SIGINT, Arc::clone(&asked));
    asked
});

/// Whether somebody asked for an end since the first call.
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
