//! Whether samples are drawn: dark strokes on a light, even ground, as signatures and sketches are.

use firmware_core::prepare::Error;

use super::picture::Picture;
use super::plane::Plane;
use super::preparation::Preparation;
use crate::{Border, Dataset};

/// Samples that are looked at.
const LOOKED_AT: usize = 100;

/// Of which so many must be drawn, in percent.
const MOST: usize = 80;

/// Strokes cover no more of a sample than this.
const STROKES: f32 = 0.4;

/// The share of the brightness's variance that one division into strokes and ground must explain:
/// thin strokes that were scaled down have edges of every grey.
const TWO_LEVELS: f32 = 0.7;

/// Whether most samples are strokes on a light ground, in grey.
pub fn drawn(samples: &Dataset) -> bool {
    if !samples.inputs.is_empty() || samples.channels() != 1 || Border::of(samples) == Border::Black
    {
        return false;
    }
    let some = samples.spaced(LOOKED_AT);
    let strokes = some.images().filter(|sample| is_drawn(samples.shape, sample)).count();
    !some.is_empty() && 100 * strokes >= MOST * some.len()
}

fn is_drawn(shape: [usize; 3], sample: &[u8]) -> bool {
    let picture = Picture::grey(Plane::from_sample(shape, sample));
    let part = |part: u8| f32::from(part) / 255.0;
    match Preparation::default().run(&picture, &mut ()) {
        Ok((_, found)) => {
            found.dark_ink && part(found.inked) <= STROKES && part(found.separation) >= TWO_LEVELS
        }
        // Strokes were found, with gaps between them.
        Err(Error::Several(_)) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::drawn;
    use crate::Dataset;

    /// Samples of 24×60 with a bar of `ink` on `ground`, each pixel as far from it as `texture` says.
    fn bars(ground: u8, ink: u8, texture: impl Fn(usize) -> u8) -> Dataset {
        let sample = |left: usize| {
            (0..24 * 60).map(move |at| {
                let (row, column) = (at / 60, at % 60);
                let on = (8..12).contains(&row) && (left..left + 40).contains(&column);
                if on { ink } else { ground }
            })
        };
        let samples = (0..20).flat_map(|number| sample(4 + number % 9));
        let samples = samples.enumerate().map(|(at, level)| level.saturating_add(texture(at)));
        Dataset::new([24, 60, 1], samples.collect(), vec![0; 20], vec!["bar".into()])
    }

    #[test]
    fn dark_strokes_on_light_ground_are_drawn_and_nothing_else_is() {
        let noise = |at: usize| (((at * 2_654_435_761) >> 7) & 7) as u8;
        assert!(drawn(&bars(230, 40, noise)));
        assert!(!drawn(&bars(40, 230, noise)), "light strokes");
        assert!(!drawn(&bars(0, 230, |_| 0)), "strokes on black");
        let texture = |at: usize| (((at * 2_654_435_761) >> 9) & 127) as u8;
        assert!(!drawn(&bars(120, 60, texture)), "a rough surface");
    }
}
