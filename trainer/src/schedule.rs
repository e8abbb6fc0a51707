//! Learning rate schedules.

use std::f64::consts::PI;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How the learning rate changes over a training run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    Constant,
    /// Half a cosine from the full rate down to zero.
    Cosine,
    /// Up to the full rate over the first `warmup` of the run (0 to 1), then down to zero, both
    /// along half a cosine.
    OneCycle {
        warmup: f64,
    },
}

impl Schedule {
    /// The learning rate of step `step` of `total`, for a full rate of `peak`.
    pub fn rate(self, peak: f64, step: usize, total: usize) -> f64 {
        let progress = (step as f64 + 0.5) / total.max(1) as f64;
        let falling = |progress: f64| peak * (0.5 + 0.5 * (PI * progress).cos());
        match self {
            Schedule::Constant => peak,
            Schedule::Cosine => falling(progress),
            Schedule::OneCycle { warmup } if progress < warmup => falling(1.0 - progress / warmup),
            Schedule::OneCycle { warmup } => falling((progress - warmup) / (1.0 - warmup)),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Constant => write!(f, "constant"),
            Schedule::Cosine => write!(f, "cosine"),
            Schedule::OneCycle { warmup } => write!(f, "one-cycle with warm-up {warmup}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn a_cosine_starts_full_and_ends_at_zero() {
        let rates: Vec<f64> =
            (0..1000).map(|step| Schedule::Cosine.rate(2.0, step, 1000)).collect();
        assert!(rates[0] > 1.999_99 && rates[999] < 1e-5 && (rates[500] - 1.0).abs() < 2e-3);
        assert!(rates.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn one_cycle_peaks_where_its_warm_up_ends() {
        let schedule = Schedule::OneCycle { warmup: 0.25 };
        let rates: Vec<f64> = (0..1000).map(|step| schedule.rate(1.0, step, 1000)).collect();
        assert!(rates[0] < 1e-4 && rates[999] < 1e-4 && rates[249] > 0.999 && rates[250] > 0.999);
    }
}
