//! From the numbers of a table, an array or a sensor to the bytes of a sample.

use serde::{Deserialize, Serialize};

use super::preparation::Preparation;

/// What brings what people have to the bytes of a sample; whoever uses a model must do the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum InputForm {
    /// Bytes, taken as they are.
    Bytes,
    /// Pictures, prepared.
    Pictures(Preparation),
    /// Numbers, scaled.
    Numbers(Scaling),
}

/// How numbers become bytes: `round((number − offset) / scale)`, kept within 0 and 255.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// One for all values of a sample, or one per channel.
    pub offset: Vec<f32>,
    /// As many; above 0.
    pub scale: Vec<f32>,
}

/// Pixels that never get brighter than this are on a scale of their own, such as 0 to 16.
const DIM: f32 = 64.0;

impl Scaling {
    /// Divides by `scale`, for all values alike.
    fn by(scale: f32) -> Self {
        Self { offset: vec![0.0], scale: vec![scale] }
    }

    /// For pixels from 0 up (NaN where one is missing): bytes stay as they are, which is `None`;
    /// other scales are brought to 255.
    pub fn of_pixels(pixels: impl IntoIterator<Item = f32>) -> Option<Self> {
        let (mut largest, mut fractions) = (0.0_f32, false);
        for pixel in pixels.into_iter().filter(|pixel| !pixel.is_nan()) {
            largest = largest.max(pixel);
            fractions |= pixel.fract() != 0.0;
        }
        match largest {
            0.0 => None,
            largest if largest <= 1.0 => Some(Self::by(1.0 / 255.0)),
            largest if largest > 255.0 => {
                // The full scale of a sensor's bits.
                let full = [1023.0, 4095.0, 16383.0, 65535.0].into_iter().find(|&f| largest <= f);
                Some(Self::by(full.unwrap_or(largest) / 255.0))
            }
            largest if largest < DIM && !fractions => Some(Self::by(largest / 255.0)),
            _ => None,
        }
    }

    /// The range of each channel of numbers `[…][channels]`, brought to 0 to 255; NaN is left out.
    pub fn of_channels(numbers: impl IntoIterator<Item = f32>, channels: usize) -> Self {
        let mut ranges = vec![[f32::INFINITY, f32::NEG_INFINITY]; channels];
        for (place, number) in numbers.into_iter().enumerate() {
            if !number.is_nan() {
                let range = &mut ranges[place % channels];
                *range = [range[0].min(number), range[1].max(number)];
            }
        }
        let offset = |&[low, _]: &[f32; 2]| if low.is_finite() { low } else { 0.0 };
        let scale = |&[low, high]: &[f32; 2]| match (high - low) / 255.0 {
            scale if scale.is_normal() && scale > 0.0 => scale,
            _ => 1.0,
        };
        Self {
            offset: ranges.iter().map(offset).collect(),
            scale: ranges.iter().map(scale).collect(),
        }
    }

    /// The bytes of numbers `[…][channels]`, as many channels as there are scales, or one scale.
    pub fn apply(&self, numbers: &[f32]) -> Vec<u8> {
        let scales = self.offset.iter().zip(&self.scale).cycle();
        let byte = |(number, (offset, scale)): (&f32, (&f32, &f32))| {
            ((number - offset) / scale).round().clamp(0.0, 255.0) as u8
        };
        numbers.iter().zip(scales).map(byte).collect()
    }

    /// In words, for a person.
    pub fn words(&self) -> String {
        match (&self.offset[..], &self.scale[..]) {
            ([0.0], [scale]) => format!("0 to {} became 0 to 255", round(scale * 255.0)),
            ([offset], [scale]) => {
                format!("{} to {} became 0 to 255", round(*offset), round(offset + scale * 255.0))
            }
            (offsets, _) => {
                format!("the range of each of {} channels became 0 to 255", offsets.len())
            }
        }
    }
}

fn round(value: f32) -> f32 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::Scaling;

    #[test]
    fn scales_of_pixels_are_found() {
        let scale = |pixels: &[f32]| {
            Scaling::of_pixels(pixels.iter().copied()).map(|scaling| scaling.apply(pixels))
        };
        assert_eq!(scale(&[0.0, 200.0, 255.0]), None);
        assert_eq!(scale(&[0.0, 1.0, 0.0]), Some(vec![0, 255, 0]));
        assert_eq!(scale(&[0.0, 0.2, 1.0]), Some(vec![0, 51, 255]));
        assert_eq!(scale(&[0.0, 4.0, 16.0]), Some(vec![0, 64, 255]));
        assert_eq!(scale(&[0.0, 2000.0, 4095.0]), Some(vec![0, 125, 255]));
        // Interpolated bytes have fractions and stay.
        assert_eq!(scale(&[0.0, 30.5]), None);
    }

    #[test]
    fn each_channel_has_its_range_and_new_numbers_stay_within() {
        let scaling = Scaling::of_channels([-1.0, 10.0, 7.0, 1.0, 20.0, 7.0], 3);
        assert_eq!(scaling.apply(&[-1.0, 10.0, 7.0, 1.0, 12.0, 9.0]), [0, 0, 0, 255, 51, 2]);
        assert_eq!(scaling.apply(&[-5.0, 99.0, f32::NAN]), [0, 255, 0]);
    }
}
