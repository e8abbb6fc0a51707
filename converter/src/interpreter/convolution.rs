//! Conv, over one or more spatial dimensions.

use super::window::Sliding;
use super::{Call, Tensor};

/// Input `[N, C, …]`, weights `[O, C / group, …]`, bias `[O]`.
pub(super) fn conv(call: &Call) -> Result<Tensor, String> {
    let (x, w) = (call.input(0)?, call.input(1)?);
    let ([batch, channels, sizes @ ..], [outputs, group_in, kernel @ ..]) =
        (&x.dims[..], &w.dims[..])
    else {
        return Err(format!("of {:?} with weights {:?}", x.dims, w.dims));
    };
    let groups = usize::try_from(call.attributes.int("group", 1)).unwrap_or(0);
    if groups == 0 || outputs % groups != 0 || group_in.checked_mul(groups) != Some(*channels) {
        return Err(format!("of {channels} channels with weights {:?} in {groups} groups", w.dims));
    }
    if call.attributes.ints("kernel_shape").is_some_and(|shape| {
        shape.len() != kernel.len() || shape.iter().zip(kernel).any(|(&a, &b)| a != b as i64)
    }) {
        return Err(format!("kernel_shape is not that of the weights {:?}", w.dims));
    }
    let sliding = Sliding::of(call, kernel.to_vec(), sizes)?;
    sliding.check_work(batch * outputs, *group_in)?;
    let (xs, ws) = (x.as_floats()?, w.as_floats()?);
    let bias = call.optional(2).map(Tensor::as_floats).transpose()?;
    if bias.is_some_and(|bias| bias.len() != *outputs) {
        return Err(format!("a bias that does not fit {outputs} outputs"));
    }
    let (pixels, windows) = (sizes.iter().product::<usize>(), sliding.output.iter().product());
    let (area, group_out) = (sliding.area(), outputs / groups);
    let mut y = vec![0.0; batch * outputs * windows];
    let mut taps = Vec::new();
    for window in 0..windows {
        sliding.taps(window, &mut taps);
        for image in 0..*batch {
            for output in 0..*outputs {
                let first = image * channels + output / group_out * group_in;
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[output]));
                for channel in 0..*group_in {
                    let x = &xs[(first + channel) * pixels..];
                    let w = &ws[(output * group_in + channel) * area..];
                    sum += taps
                        .iter()
                        .map(|tap| f64::from(x[tap.at]) * f64::from(w[tap.number]))
                        .sum::<f64>();
                }
                y[(image * outputs + output) * windows + window] = sum as f32;
            }
        }
    }
    Ok(Tensor::floats([&[*batch, *outputs], &sliding.output[..]].concat(), y))
}
