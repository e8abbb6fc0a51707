//! Functions of one value in the `f32` arithmetic of ONNX Runtime's kernels, bit for bit: rational
//! approximations with fused multiplications and additions. The middle between two integers is no
//! rare place for them: saturated values of a symmetric range lie there.

/// `c[0] * x^n + … + c[n]`
fn polynomial(x: f32, coefficients: &[f32]) -> f32 {
    let (&first, rest) = coefficients.split_first().unwrap_or((&0.0, &[]));
    rest.iter().fold(first, |sum, &coefficient| sum.mul_add(x, coefficient))
}

/// The odd function `x * over(x²) / under(x²)`.
fn rational(x: f32, over: &[f32], under: &[f32]) -> f32 {
    let square = x * x;
    polynomial(square, over) * x / polynomial(square, under)
}

fn tanh(x: f32) -> f32 {
    const OVER: [f32; 7] = [
        -2.760_768_4e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297_3e-8,
        1.485_722_35e-5,
        6.372_619_5e-4,
        4.893_524_6e-3,
    ];
    const UNDER: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_7e-3, 4.893_525e-3];
    rational(x.clamp(-9.0, 9.0), &OVER, &UNDER)
}

fn sigmoid(x: f32) -> f32 {
    const OVER: [f32; 5] =
        [4.370_31e-11, 1.156_273_2e-7, 6.085_749e-5, 8.513_771e-3, 2.482_879_5e-1];
    const UNDER: [f32; 6] = [
        6.102_473_7e-13,
        5.761_021_4e-9,
        6.291_068e-6,
        1.701_988_2e-3,
        1.168_176_5e-1,
        9.931_519e-1,
    ];
    (rational(x.clamp(-18.0, 18.0), &OVER, &UNDER) + 0.5).clamp(0.0, 1.0)
}

fn hard_swish(x: f32) -> f32 {
    x * (x * (1.0 / 6.0) + 0.5).clamp(0.0, 1.0)
}

/// The function of an operator whose kernel is known to the bit.
pub(super) fn known(op: &str) -> Option<fn(f32) -> f32> {
    Some(match op {
        "Tanh" => tanh,
        "Sigmoid" => sigmoid,
        "HardSwish" => hard_swish,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_close_to_the_functions() {
        for step in -4000..=4000 {
            let x = step as f32 / 200.0;
            let real = f64::from(x);
            let close = |ours: f32, real: f64| (f64::from(ours) - real).abs() < 4e-7;
            assert!(close(tanh(x), real.tanh()), "tanh({x})");
            assert!(close(sigmoid(x), 1.0 / (1.0 + (-real).exp())), "sigmoid({x})");
        }
    }
}
