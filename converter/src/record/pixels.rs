//! How pixels become the input of a model that was quantized elsewhere.

use std::borrow::Cow;

use super::ModelRecord;
use crate::passes::PixelScale;
use crate::quantized::{QuantizedNetwork, Scale, ValueFormat, ValueType};

/// What is said of a model whose [`PixelInput`] is not known.
pub const UNKNOWN_PIXELS: &str = "does not say how pixels become its input, whose range is none of the \
                                  usual; convert it again with --pixel-divisor, --mean and --deviation \
                                  as in its training";

/// How far the ends of an input's range may lie from those of a usual one, as a share of its width.
const NEAR: f64 = 0.02;

/// The usual ranges of pictures and the scales that give them.
fn usual() -> [([f64; 2], PixelScale); 3] {
    let signed = PixelScale { mean: 0.5.into(), deviation: 0.5.into(), ..PixelScale::default() };
    [([0.0, 1.0], PixelScale::default()), ([0.0, 255.0], PixelScale::raw()), ([-1.0, 1.0], signed)]
}

/// Factor and zero point of a value.
fn affine(format: ValueFormat) -> (f64, f64) {
    match format.scale {
        Scale::PowerOfTwo(exponent) => (2_f64.powi(-exponent), 0.0),
        Scale::Affine { scale, zero } => (scale.into(), zero.into()),
    }
}

/// The real values that an input can have, from the least to the greatest.
pub fn range(format: ValueFormat) -> [f64; 2] {
    let (scale, zero) = affine(format);
    let (low, high) = format.element.range();
    [low, high].map(|end| (f64::from(end) - zero) * scale)
}

/// The scale that brings pixels from 0 to 255 into just the range of an input, if it is one of those
/// that are usual: 0 to 1, 0 to 255, −1 to 1.
pub fn by_range(format: ValueFormat) -> Option<PixelScale> {
    let found = range(format);
    let width = found[1] - found[0];
    let near =
        |wanted: &[f64; 2]| (0..2).all(|end| (found[end] - wanted[end]).abs() < NEAR * width);
    usual().into_iter().find(|(wanted, _)| near(wanted)).map(|(_, pixels)| pixels)
}

/// How pixels become the bytes of a model's input: as they are where the model was made here, by a
/// table for each channel where others quantized it.
pub struct PixelInput(Option<Vec<[u8; 256]>>);

impl PixelInput {
    /// For `network`, whose record is `record`; nothing where that does not say how others scaled
    /// pixels.
    pub fn of(record: &ModelRecord, network: &QuantizedNetwork) -> Option<Self> {
        let format = network.input_format;
        if let Scale::PowerOfTwo(_) = format.scale {
            return Some(Self(None));
        }
        let scale = record.inputs.first().and_then(|input| input.preparation.pixel_scale())?;
        Some(Self(Some(tables(&scale, format, network.input.channels))))
    }

    /// The bytes of the input for the pixels of a sample, `[height][width][channel]`.
    pub fn bytes<'p>(&self, pixels: &'p [u8]) -> Cow<'p, [u8]> {
        let Some(tables) = &self.0 else { return pixels.into() };
        let channels = tables.iter().cycle();
        pixels.iter().zip(channels).map(|(&pixel, table)| table[usize::from(pixel)]).collect()
    }
}

/// What each pixel from 0 to 255 becomes in each of `channels` channels: the bits of the input's
/// element, rounded half away from zero and saturated as the runtimes do it.
fn tables(pixels: &PixelScale, format: ValueFormat, channels: usize) -> Vec<[u8; 256]> {
    let (scale, zero) = affine(format);
    let (low, high) = format.element.range();
    let table = |channel: usize| {
        std::array::from_fn(|pixel| {
            let real = (pixel as f32 / pixels.divisor - pixels.mean.at(channel))
                / pixels.deviation.at(channel);
            let integer = (f64::from(real) / scale).round() + zero;
            let integer = integer.clamp(low.into(), high.into()) as i32;
            match format.element {
                ValueType::I8 => integer as i8 as u8,
                ValueType::U8 | ValueType::I32 => integer as u8,
            }
        })
    };
    (0..channels).map(table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn i8s(scale: f32, zero: i32) -> ValueFormat {
        ValueFormat { element: ValueType::I8, scale: Scale::Affine { scale, zero } }
    }

    #[test]
    fn usual_ranges_are_recognized() {
        assert_eq!(by_range(i8s(1.0 / 255.0, -128)), Some(PixelScale::default()));
        assert_eq!(by_range(i8s(1.0, -128)), Some(PixelScale::raw()));
        let signed = by_range(i8s(2.0 / 255.0, 0)).expect("usual");
        assert_eq!((signed.mean.at(0), signed.deviation.at(0)), (0.5, 0.5));
        assert_eq!(by_range(i8s(0.0425, -8)), None);
        assert_eq!(by_range(i8s(1.0 / 255.0, 0)), None);
    }

    #[test]
    fn pixels_become_the_bits_of_the_input() {
        let [table] = tables(&PixelScale::default(), i8s(1.0 / 255.0, -128), 1)[..] else {
            panic!()
        };
        assert!((0..256).all(|pixel| table[pixel] as i8 as i32 == pixel as i32 - 128));
        let imagenet = PixelScale {
            divisor: 255.0,
            mean: vec![0.485, 0.456, 0.406].into(),
            deviation: vec![0.229, 0.224, 0.225].into(),
        };
        let tables = tables(&imagenet, i8s(0.0186, -14), 3);
        let expected = |pixel: f64, mean: f64, deviation: f64| {
            ((pixel / 255.0 - mean) / deviation / 0.0186).round() - 14.0
        };
        assert_eq!(f64::from(tables[1][77] as i8), expected(77.0, 0.456, 0.224));
        assert_eq!(tables[2][255] as i8, 127);
    }
}
