//! MaxPool, AveragePool and their global forms, over one or more spatial dimensions.

use super::window::Sliding;
use super::{Call, Tensor};

pub(super) fn pool(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let [batch, channels, sizes @ ..] = &x.dims[..] else {
        return Err(format!("of {:?}; expected [N, C, …]", x.dims));
    };
    let kernel = call.attributes.ints("kernel_shape").ok_or("kernel_shape is missing")?;
    let kernel = kernel.iter().map(|&k| usize::try_from(k).unwrap_or(0)).collect();
    let sliding = Sliding::of(call, kernel, sizes)?;
    sliding.check_work(batch * channels, 1)?;
    let max = call.op() == "MaxPool";
    let counts_padding = call.attributes.int("count_include_pad", 0) != 0;
    let xs = x.as_floats()?;
    let (pixels, windows) = (sizes.iter().product::<usize>(), sliding.output.iter().product());
    let mut y = vec![0.0; batch * channels * windows];
    let mut taps = Vec::new();
    for window in 0..windows {
        let counted = sliding.taps(window, &mut taps);
        let divisor = if counts_padding { counted } else { taps.len() };
        for channel in 0..batch * channels {
            let x = &xs[channel * pixels..];
            let values = taps.iter().map(|tap| x[tap.at]);
            y[channel * windows + window] = match max {
                true => values.fold(f32::NEG_INFINITY, f32::max),
                false => (values.map(f64::from).sum::<f64>() / divisor.max(1) as f64) as f32,
            };
        }
    }
    Ok(Tensor::floats([&[*batch, *channels], &sliding.output[..]].concat(), y))
}

pub(super) fn global_pool(call: &Call) -> Result<Tensor, String> {
    let x = call.input(0)?;
    let [batch, channels, sizes @ ..] = &x.dims[..] else {
        return Err(format!("of {:?}; expected [N, C, …]", x.dims));
    };
    let pixels: usize = sizes.iter().product();
    let reduce = |values: &[f32]| match call.op() {
        "GlobalMaxPool" => values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        _ => (values.iter().copied().map(f64::from).sum::<f64>() / pixels as f64) as f32,
    };
    let y = x.as_floats()?.chunks(pixels.max(1)).map(reduce).collect();
    let dims = [&[*batch, *channels], &vec![1; sizes.len()][..]].concat();
    Ok(Tensor::floats(dims, y))
}
