//! Random light and colour.

use super::Augmentation;
use crate::random::Random;

/// How much red, green and blue add to the brightness (ITU-R BT.709).
const LUMA: [f32; 3] = [0.2126, 0.7152, 0.0722];

/// Changes an image `[…][channels]` of values from 0 to 1. What asks for no change draws nothing.
pub fn change(strengths: &Augmentation, random: &mut Random, channels: usize, image: &mut [f32]) {
    let Augmentation { brightness, contrast, saturation, hue, .. } = *strengths;
    if channels == 3 && hue > 0.0 {
        turn(image, random.between(-hue, hue).to_radians());
    }
    if channels == 3 && saturation > 0.0 {
        let factor = random.between(1.0 - saturation, 1.0 + saturation);
        for pixel in image.chunks_exact_mut(3) {
            let grey = luma(pixel);
            pixel.iter_mut().for_each(|value| *value = grey + factor * (*value - grey));
        }
    }
    if contrast > 0.0 {
        let factor = random.between(1.0 - contrast, 1.0 + contrast);
        let mean = image.iter().sum::<f32>() / image.len() as f32;
        image.iter_mut().for_each(|value| *value = mean + factor * (*value - mean));
    }
    if brightness > 0.0 {
        let light = random.between(-brightness, brightness);
        image.iter_mut().for_each(|value| *value += light);
    }
    if brightness > 0.0 || contrast > 0.0 || saturation > 0.0 || hue > 0.0 {
        image.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
    }
}

fn luma(pixel: &[f32]) -> f32 {
    pixel.iter().zip(LUMA).map(|(value, weight)| value * weight).sum()
}

/// Turns the colours around the axis of greys, by the formula of Rodrigues.
fn turn(image: &mut [f32], angle: f32) {
    let (sine, cosine) = angle.sin_cos();
    let axis = 1.0 / 3_f32.sqrt();
    for pixel in image.chunks_exact_mut(3) {
        let [red, green, blue] = [pixel[0], pixel[1], pixel[2]];
        let grey = (red + green + blue) / 3.0 * (1.0 - cosine);
        pixel[0] = red * cosine + axis * (blue - green) * sine + grey;
        pixel[1] = green * cosine + axis * (red - blue) * sine + grey;
        pixel[2] = blue * cosine + axis * (green - red) * sine + grey;
    }
}

#[cfg(test)]
mod tests {
    use super::turn;

    #[test]
    fn a_third_of_the_circle_exchanges_the_colours() {
        let mut pixels = [0.8, 0.2, 0.1, 0.5, 0.5, 0.5];
        turn(&mut pixels, 120_f32.to_radians());
        for (found, expected) in pixels.iter().zip([0.1, 0.8, 0.2, 0.5, 0.5, 0.5]) {
            assert!((found - expected).abs() < 1e-5, "{pixels:?}");
        }
    }
}
