//! A whole frame, or the largest part of it that has the image's aspect.

use super::resample::{self, resample};
use super::{Bounds, Form, Found, Polarity, Preparation, Rows, Scratch};

/// Levels that are counted for each channel of the border.
const LEVELS: usize = 256;

/// Words of scratch.
pub const fn words([_, width]: [usize; 2], preparation: &Preparation) -> usize {
    let channels = preparation.channels;
    (width * channels).div_ceil(4)
        + resample::scratch_words(preparation.size[1] * channels)
        + LEVELS * channels
}

/// Prepares a frame whose sizes have been checked.
pub fn prepare(
    frame: &impl Rows,
    preparation: &Preparation,
    scratch: &mut [u32],
    image: &mut [u8],
) -> Found {
    let [height, width] = [frame.height(), frame.width()];
    let Preparation { form, size, channels, polarity } = *preparation;
    let inverted = polarity == Polarity::Dark;
    let mut scratch = Scratch(scratch);
    let line = scratch.bytes(width * channels);
    let resampling = scratch.words(resample::scratch_words(size[1] * channels));
    let counts = scratch.words(LEVELS * channels);

    let (taken, scaled) = match form {
        Form::Crop => (cropped([height, width], size), size),
        _ => (
            Bounds { top: 0, bottom: height, left: 0, right: width },
            fitted([height, width], size),
        ),
    };
    let corner = [(size[0] - scaled[0]) / 2, (size[1] - scaled[1]) / 2];
    if scaled != size {
        let levels = border(frame, channels, line, counts);
        for pixel in image.chunks_exact_mut(channels.max(1)) {
            pixel.iter_mut().zip(levels).for_each(|(value, level)| *value = level);
        }
    }
    resample(
        [taken.height(), taken.width()],
        scaled,
        channels,
        |row, out| read(frame, channels, taken.top + row, taken.left, out),
        line,
        resampling,
        |row, levels| {
            let start = ((corner[0] + row) * size[1] + corner[1]) * channels;
            let place = image.get_mut(start..start + scaled[1] * channels).unwrap_or_default();
            place.iter_mut().zip(levels).for_each(|(out, level)| *out = level);
        },
    );
    if inverted {
        image.iter_mut().for_each(|level| *level = !*level);
    }
    Found { dark_ink: inverted, bounds: taken, scaled, corner, ..Found::default() }
}

/// A row in grey, or in red, green and blue.
fn read(frame: &impl Rows, channels: usize, row: usize, left: usize, out: &mut [u8]) {
    match channels {
        3 => frame.rgb(row, left, out),
        _ => frame.grey(row, left, out),
    }
}

/// Height and width of a frame in the image, its aspect kept: which side fills the image, and the other
/// in proportion, rounded.
fn fitted([height, width]: [usize; 2], [rows, columns]: [usize; 2]) -> [usize; 2] {
    if rows * width <= columns * height {
        [rows, ((width * rows + height / 2) / height.max(1)).clamp(1, columns.max(1))]
    } else {
        [((height * columns + width / 2) / width.max(1)).clamp(1, rows.max(1)), columns]
    }
}

/// The largest part around the middle that has the image's aspect.
fn cropped([height, width]: [usize; 2], [rows, columns]: [usize; 2]) -> Bounds {
    let [high, wide] = if rows * width >= columns * height {
        [height, ((height * columns + rows / 2) / rows.max(1)).clamp(1, width.max(1))]
    } else {
        [((width * rows + columns / 2) / columns.max(1)).clamp(1, height.max(1)), width]
    };
    let [top, left] = [(height - high.min(height)) / 2, (width - wide.min(width)) / 2];
    Bounds { top, bottom: top + high, left, right: left + wide }
}

/// The median of each channel along the four sides, one in two hundred of a side deep.
fn border(frame: &impl Rows, channels: usize, line: &mut [u8], counts: &mut [u32]) -> [u8; 3] {
    let [height, width] = [frame.height(), frame.width()];
    let depth = 1 + height.min(width) / 200;
    counts.fill(0);
    let mut count = 0;
    for row in 0..height {
        read(frame, channels, row, 0, line);
        let inner = row >= depth && row + depth < height;
        for (column, pixel) in line.chunks_exact(channels.max(1)).enumerate() {
            if inner && column >= depth && column + depth < width {
                continue;
            }
            count += 1;
            for (&level, counts) in pixel.iter().zip(counts.chunks_exact_mut(LEVELS)) {
                if let Some(count) = counts.get_mut(usize::from(level)) {
                    *count += 1;
                }
            }
        }
    }
    let mut medians = [0; 3];
    for (median, counts) in medians.iter_mut().zip(counts.chunks_exact(LEVELS)) {
        let mut left = count / 2;
        for (level, &count) in counts.iter().enumerate() {
            if count > left {
                *median = level as u8;
                break;
            }
            left -= count;
        }
    }
    medians
}

#[cfg(test)]
mod tests {
    use super::super::{Form, Format, Frame, Polarity, Preparation, prepare, scratch_words};
    use std::vec;
    use std::vec::Vec;

    fn image(
        preparation: Preparation,
        format: Format,
        [height, width]: [usize; 2],
        bytes: &[u8],
    ) -> Vec<u8> {
        let frame = Frame::new(format, height, width, bytes).expect("of its size");
        let mut scratch = vec![7; scratch_words([height, width], &preparation)];
        let mut image = vec![1; preparation.bytes()];
        prepare(&frame, &preparation, &mut scratch, &mut image).expect("is prepared");
        image
    }

    fn whole(form: Form, size: [usize; 2], channels: usize, polarity: Polarity) -> Preparation {
        Preparation { form, size, channels, polarity }
    }

    #[test]
    fn colours_and_sides_stay_and_nothing_is_inverted() {
        let bytes = [250, 20, 90].repeat(80);
        let fit = |channels, polarity| whole(Form::Fit, [8, 10], channels, polarity);
        let colours = image(fit(3, Polarity::Auto), Format::Rgb888, [8, 10], &bytes);
        assert_eq!(colours, bytes);
        let grey = image(fit(1, Polarity::Light), Format::Rgb888, [8, 10], &bytes);
        assert_eq!(grey, [74; 80]);
        let dark = image(fit(1, Polarity::Dark), Format::Rgb888, [8, 10], &bytes);
        assert_eq!(dark, [181; 80]);
    }

    #[test]
    fn a_fitted_frame_goes_on_in_its_borders_level_and_a_cropped_one_loses_sides() {
        // A grey frame of 8 × 16 with one lighter row of pixels in the middle of its height.
        let mut bytes = [70; 128];
        bytes[4 * 16 + 5..4 * 16 + 11].fill(230);
        let fit =
            image(whole(Form::Fit, [16, 16], 1, Polarity::Auto), Format::Grey, [8, 16], &bytes);
        assert!(fit[..64].iter().chain(&fit[192..]).all(|&level| level == 70));
        assert_eq!(fit[8 * 16 + 7], 230);
        let crop =
            image(whole(Form::Crop, [8, 8], 1, Polarity::Auto), Format::Grey, [8, 16], &bytes);
        assert_eq!(crop[32..40], [70, 230, 230, 230, 230, 230, 230, 70]);
        let high: Vec<u8> = (0..128).map(|at| (at / 8) as u8).collect();
        let crop =
            image(whole(Form::Crop, [8, 8], 1, Polarity::Auto), Format::Grey, [16, 8], &high);
        assert_eq!([crop[0], crop[63]], [4, 11]);
    }
}
