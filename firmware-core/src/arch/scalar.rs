//! No kernels beside the portable ones.

use super::Target;

pub(crate) enum Chosen {}

impl Target for Chosen {
    const NAME: &'static str = "portable";
}
