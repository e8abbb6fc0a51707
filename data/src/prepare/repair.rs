//! Stuck pixels: full or empty ones among neighbours that all say otherwise, as a damaged sensor or
//! a faulty transmission leaves them.

use inkling_support::files::WriteError;

use crate::{Dataset, Room};

use super::missing::{Fill, fill};

/// Neighbours of a stuck full pixel are all darker than this; those of a stuck empty one are all
/// lighter than 255 less this. No stroke of a pen ends within one pixel: of MNIST's 60,000 training
/// images one has such a pixel.
const FAR: u8 = 32;

/// Fills the stuck pixels of all images from their neighbours; returns how many there were, and in
/// how many images.
///
/// # Errors
///
/// The file system's, where the images do not fit into memory.
pub fn stuck_pixels(dataset: &mut Dataset) -> Result<(usize, usize), WriteError> {
    let shape = dataset.shape;
    let (mut pixels, mut images) = (0, 0);
    *dataset = dataset.made_of_each(shape, &Room::default(), |image, out| {
        out.extend_from_slice(image);
        let stuck: Vec<usize> = (0..image.len()).filter(|&at| is_stuck(image, shape, at)).collect();
        if stuck.is_empty() {
            return;
        }
        let mut values: Vec<f32> = image.iter().map(|&pixel| f32::from(pixel)).collect();
        stuck.iter().for_each(|&at| values[at] = f32::NAN);
        fill(&mut values, shape, Fill::Interpolate);
        for &at in &stuck {
            out[at] = values[at].round() as u8;
        }
        (pixels, images) = (pixels + stuck.len(), images + 1);
    })?;
    Ok((pixels, images))
}

fn is_stuck(image: &[u8], [height, width, channels]: [usize; 3], at: usize) -> bool {
    let (row, column, channel) = (at / channels / width, at / channels % width, at % channels);
    let rows = row.saturating_sub(1)..(row + 2).min(height);
    let mut around = rows.flat_map(|y| {
        (column.saturating_sub(1)..(column + 2).min(width))
            .map(move |x| (y * width + x) * channels + channel)
    });
    match image[at] {
        255 => around.all(|near| near == at || image[near] < FAR),
        0 => around.all(|near| near == at || image[near] > 255 - FAR),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::Dataset;
    use crate::read::labels;

    fn dataset(image: [u8; 25]) -> Dataset {
        Dataset::new([5, 5, 1], image.to_vec(), vec![0], labels::numbers(2))
    }

    fn stuck_pixels(dataset: &mut Dataset) -> (usize, usize) {
        super::stuck_pixels(dataset).expect("fits")
    }

    #[test]
    fn lone_pixels_are_filled_and_strokes_stay() {
        let mut image = [0; 25];
        image[6] = 255;
        let mut one = dataset(image);
        assert_eq!(stuck_pixels(&mut one), (1, 1));
        assert_eq!(one.image(0), [0; 25]);

        let mut holed = [240; 25];
        holed[24] = 0;
        let mut hole = dataset(holed);
        assert_eq!(stuck_pixels(&mut hole), (1, 1));
        assert_eq!(hole.image(0), [240; 25]);

        // Two that touch, were it at a corner, are a stroke.
        image[12] = 255;
        let mut stroke = dataset(image);
        assert_eq!(stuck_pixels(&mut stroke), (0, 0));
        assert_eq!(stroke.image(0), image);
    }
}
