//! Windows that slide over any number of spatial dimensions, as Conv and the poolings have them.

use super::{Call, strides};
use crate::limits::{OPERATIONS, elements};

/// Kernel, stride, dilation and padding along each spatial dimension of an input.
pub struct Sliding {
    pub kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    /// Padding in front.
    before: Vec<usize>,
    /// Sizes of the input, with and without the padding.
    input: Vec<usize>,
    padded: Vec<usize>,
    pub output: Vec<usize>,
}

/// A tap of a window: its number, and the element of the input's spatial part that it reads.
pub struct Tap {
    pub number: usize,
    pub at: usize,
}

impl Sliding {
    /// The windows of a node over an input with the spatial sizes `input`.
    pub fn of(call: &Call, kernel: Vec<usize>, input: &[usize]) -> Result<Self, String> {
        let rank = input.len();
        let list =
            |name: &str, default: usize, count: usize, least: i64| match call.attributes.ints(name)
            {
                None => Ok(vec![default; count]),
                Some(values)
                    if values.len() == count
                        && values.iter().all(|&v| (least..1 << 20).contains(&v)) =>
                {
                    Ok(values.iter().map(|&value| value as usize).collect())
                }
                Some(values) => Err(format!("{name} {values:?} over {rank} spatial dimensions")),
            };
        let (stride, dilation) = (list("strides", 1, rank, 1)?, list("dilations", 1, rank, 1)?);
        let pads = list("pads", 0, 2 * rank, 0)?;
        if kernel.len() != rank || kernel.contains(&0) || kernel.iter().any(|&k| k > 1 << 20) {
            return Err(format!("a kernel {kernel:?} over {rank} spatial dimensions"));
        }
        let mut sliding = Self {
            before: pads[..rank].to_vec(),
            padded: (0..rank).map(|axis| input[axis] + pads[axis] + pads[rank + axis]).collect(),
            kernel,
            stride,
            dilation,
            input: input.to_vec(),
            output: Vec::new(),
        };
        let auto_pad = call.attributes.string("auto_pad", "NOTSET");
        for axis in 0..rank {
            let extent = (sliding.kernel[axis] - 1)
                .checked_mul(sliding.dilation[axis])
                .map(|reach| reach + 1)
                .ok_or("a window without end")?;
            match auto_pad.as_str() {
                "NOTSET" | "" => {}
                "VALID" => {
                    sliding.before[axis] = 0;
                    sliding.padded[axis] = input[axis];
                }
                "SAME_UPPER" | "SAME_LOWER" => {
                    let outputs = input[axis].div_ceil(sliding.stride[axis]).max(1);
                    let needed = (outputs - 1) * sliding.stride[axis] + extent;
                    let total = needed.saturating_sub(input[axis]);
                    let less = total / 2;
                    sliding.before[axis] =
                        if auto_pad == "SAME_UPPER" { less } else { total - less };
                    sliding.padded[axis] = input[axis] + total;
                }
                other => return Err(format!("auto_pad {other:?}")),
            }
            let free = sliding.padded[axis]
                .checked_sub(extent)
                .ok_or_else(|| format!("a window of {extent} on {}", sliding.padded[axis]))?;
            let stride = sliding.stride[axis];
            let mut outputs = free / stride + 1;
            if call.attributes.int("ceil_mode", 0) != 0 {
                outputs = free.div_ceil(stride) + 1;
                // No window starts in the padding at the end.
                if (outputs - 1) * stride >= input[axis] + sliding.before[axis] {
                    outputs -= 1;
                }
            }
            sliding.output.push(outputs);
        }
        Ok(sliding)
    }

    /// Taps of a window.
    pub fn area(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Refuses more work than a network for a microcontroller has; `depth` values are read for
    /// each tap and output of `outputs` channels.
    pub fn check_work(&self, outputs: usize, depth: usize) -> Result<(), String> {
        let windows = elements(&[&self.output[..], &[outputs]].concat())?;
        let work = windows.checked_mul(elements(&self.kernel)?).and_then(|w| w.checked_mul(depth));
        match work {
            Some(work) if work <= OPERATIONS => Ok(()),
            _ => Err("is too much work".into()),
        }
    }

    /// The taps of window `number` that lie on the input, and how many lie on the input or its
    /// padding.
    pub fn taps(&self, number: usize, taps: &mut Vec<Tap>) -> usize {
        taps.clear();
        let rank = self.input.len();
        let window: Vec<usize> = index(number, &self.output);
        let input_strides = strides(&self.input);
        let mut counted = 0;
        for number in 0..self.area() {
            let tap = index(number, &self.kernel);
            // Where the tap lies on the padded input.
            let on_padded =
                |axis: usize| window[axis] * self.stride[axis] + tap[axis] * self.dilation[axis];
            if (0..rank).any(|axis| on_padded(axis) >= self.padded[axis]) {
                continue;
            }
            counted += 1;
            let at = (0..rank).try_fold(0, |at, axis| {
                let here = on_padded(axis).checked_sub(self.before[axis])?;
                (here < self.input[axis]).then(|| at + here * input_strides[axis])
            });
            taps.extend(at.map(|at| Tap { number, at }));
        }
        counted
    }
}

/// The index of element `number` of a row-major tensor.
fn index(number: usize, dims: &[usize]) -> Vec<usize> {
    strides(dims).iter().zip(dims).map(|(stride, dim)| number / stride % dim).collect()
}
