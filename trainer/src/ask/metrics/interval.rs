//! How sure a share is.

/// Standard normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval of a share of `part` in `whole`; unlike the plain one it stays inside
/// [0, 1] and is right for shares near 1. No trials say nothing: [0, 1].
pub fn wilson(part: usize, whole: usize) -> [f64; 2] {
    if whole == 0 {
        return [0.0, 1.0];
    }
    let (count, share) = (whole as f64, part as f64 / whole as f64);
    let square = Z * Z / count;
    let centre = (share + square / 2.0) / (1.0 + square);
    let reach =
        Z / (1.0 + square) * (share * (1.0 - share) / count + square / (4.0 * count)).sqrt();
    [(centre - reach).max(0.0), (centre + reach).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::wilson;

    /// Against values of the textbook's formula, computed by another program.
    #[test]
    fn known_intervals() {
        for (part, whole, low, high) in [
            (8, 10, 0.490_162_471_536_639, 0.943_317_848_545_625),
            (0, 20, 0.0, 0.161_125_158_052_819),
        ] {
            let [found_low, found_high] = wilson(part, whole);
            assert!(
                (found_low - low).abs() < 1e-6 && (found_high - high).abs() < 1e-6,
                "{part} of {whole}: {found_low} {found_high}"
            );
        }
        assert_eq!(wilson(0, 0), [0.0, 1.0]);
    }
}
