//! `max_pool2d`: MaxPool on the integers.

use super::*;

impl Emitter<'_> {
    pub(super) fn max_pool2d(&mut self, name: &str, x: &str, window: &Window) -> String {
        self.model.node("MaxPool", name, &[x], &window_attributes(window))
    }
}
