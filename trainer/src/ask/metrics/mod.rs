//! How good answers are.

mod calibration;
mod confusion;
mod interval;
mod refusal;
mod scores;

pub use calibration::{Calibration, calibration};
pub use confusion::Confusion;
pub use interval::wilson;
pub use refusal::Refusal;
pub use scores::{ClassScores, Mistake, Scores};
