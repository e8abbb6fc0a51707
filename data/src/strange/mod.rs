//! Samples of what is in none of a data set's classes, made of the data set itself: what a network
//! learns "none of these" from, and what its refusals are measured on.
//!
//! Every sample is drawn from a stream of random numbers, so the same seed gives the same bytes.

mod glyphs;
mod pieces;
mod shapes;
mod strokes;
mod surfaces;

use std::fmt;
use std::sync::Arc;

use inkling_support::parallel;
use serde::{Deserialize, Serialize};

use crate::corrupt::Canvas;
use crate::random::{Purpose, Random};
use crate::{Border, Dataset};

/// What a sample is made of. The order is part of what a seed means: keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One half of an image, the other empty: left, right, upper or lower.
    Half,
    /// Images of two classes over each other.
    Mixed,
    /// A half of one image beside a half of an image of another class.
    Joined,
    /// An image blurred until nothing can be told.
    Blurred,
    /// Noise of many sorts, fine and coarse.
    Noise,
    /// The negative of an image.
    Inverted,
    /// One level, or one with a trace of noise or a gradient.
    Blank,
    /// A piece of an image, enlarged; rectangles of random levels.
    Patch,
    /// The blocks of an image in another order.
    Scrambled,
    /// Random strokes in the form of characters. Only where the ground is dark and nothing has colour.
    Strokes,
    /// An image on its side. Not for things that have no upper end.
    Turned,
    /// A picture that was given, of something else.
    Pictures,
    /// Printed signs of no alphabet. Only where the ground is dark and nothing has colour.
    Glyphs,
    /// Solid things with a grain. Not where the classes are such things.
    Shapes,
}

impl Kind {
    pub const ALL: [Kind; 14] = [
        Kind::Half,
        Kind::Mixed,
        Kind::Joined,
        Kind::Blurred,
        Kind::Noise,
        Kind::Inverted,
        Kind::Blank,
        Kind::Patch,
        Kind::Scrambled,
        Kind::Strokes,
        Kind::Turned,
        Kind::Pictures,
        Kind::Glyphs,
        Kind::Shapes,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Half => "half",
            Kind::Mixed => "mixed",
            Kind::Joined => "joined",
            Kind::Blurred => "blurred",
            Kind::Noise => "noise",
            Kind::Inverted => "inverted",
            Kind::Blank => "blank",
            Kind::Patch => "patch",
            Kind::Scrambled => "scrambled",
            Kind::Strokes => "strokes",
            Kind::Turned => "turned",
            Kind::Pictures => "pictures",
            Kind::Glyphs => "glyphs",
            Kind::Shapes => "shapes",
        }
    }

    /// Whether the samples keep the grain of what they are made of, so that an image of a class that is
    /// not resampled as they are could be told by its grain alone.
    pub fn has_grain_of_images(self) -> bool {
        !matches!(self, Kind::Blurred | Kind::Noise | Kind::Inverted | Kind::Blank)
    }

    /// What the kinds are unless somebody says them: what can be in no class of any data set.
    pub fn usual() -> Vec<Kind> {
        let special = [Kind::Turned, Kind::Strokes, Kind::Pictures, Kind::Glyphs, Kind::Shapes];
        Kind::ALL.into_iter().filter(|kind| !special.contains(kind)).collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Samples that are made before they are put together.
const AT_ONCE: usize = 256;

/// Makes samples that are in none of the classes.
#[derive(Clone)]
pub struct Strange {
    images: Arc<Dataset>,
    /// Which of `images` samples are made of, at least one.
    sources: Vec<usize>,
    /// Pictures of something else, of the same shape.
    pictures: Option<Dataset>,
    kinds: Vec<Kind>,
    canvas: Canvas,
}

impl Strange {
    /// Makes samples of `sources`, at least one, of `images`; a kind that is named twice is made twice as
    /// often. Kinds that these images or an absence of
    /// `pictures` rule out are left out; pictures that are given are always a kind.
    ///
    /// # Errors
    ///
    /// One line: no kind is left; the pictures have another shape.
    pub fn new(
        images: Arc<Dataset>,
        sources: Vec<usize>,
        kinds: &[Kind],
        pictures: Option<Dataset>,
    ) -> Result<Self, String> {
        let canvas = Canvas { shape: images.shape, border: Border::of(&images) };
        let pictures = pictures.filter(|pictures| !pictures.is_empty());
        if let Some(pictures) = &pictures
            && pictures.shape != images.shape
        {
            return Err("the pictures of something else have another shape".into());
        }
        let mut kinds = kinds.to_vec();
        if pictures.is_some() && !kinds.contains(&Kind::Pictures) {
            kinds.push(Kind::Pictures);
        }
        let [height, width, channels] = images.shape;
        kinds.retain(|kind| match kind {
            Kind::Strokes | Kind::Glyphs => channels == 1 && canvas.border == Border::Black,
            Kind::Shapes => height > 1 && width > 1,
            Kind::Turned => height == width && height > 1,
            Kind::Pictures => pictures.is_some(),
            Kind::Half | Kind::Joined | Kind::Scrambled => height > 1 || width > 1,
            _ => true,
        });
        if kinds.is_empty() || sources.is_empty() {
            return Err("there is nothing to make samples of none of the classes of".into());
        }
        Ok(Self { images, sources, pictures, kinds, canvas })
    }

    /// The kinds that are made, each once.
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.kinds.contains(kind)).collect()
    }

    /// Height, width and channels of the samples.
    pub fn shape(&self) -> [usize; 3] {
        self.images.shape
    }

    /// A sample of a random kind, `[height][width][channels]`.
    pub fn sample(&self, random: &mut Random) -> (Kind, Vec<u8>) {
        let kind = self.kinds[random.below(self.kinds.len() as u32) as usize];
        (kind, self.sample_of(kind, random))
    }

    /// A sample of one kind.
    pub fn sample_of(&self, kind: Kind, random: &mut Random) -> Vec<u8> {
        let shape = self.images.shape;
        let (image, label) = self.image(random);
        match kind {
            Kind::Half => pieces::half(random, image, self.canvas),
            Kind::Mixed => {
                let other = self.of_another_class(label, random);
                pieces::mixed(random, image, other, self.canvas)
            }
            Kind::Joined => {
                let other = self.of_another_class(label, random);
                pieces::joined(random, image, other, shape)
            }
            Kind::Blurred => {
                let side = shape[0].min(shape[1]) as f32;
                self.canvas.blur(image, random.between(2.5, 5.0) * side / 28.0)
            }
            Kind::Noise => surfaces::noise(random, shape),
            Kind::Inverted => image.iter().map(|&value| 255 - value).collect(),
            Kind::Blank => surfaces::blank(random, shape),
            Kind::Patch => pieces::patch(random, image, self.canvas),
            Kind::Scrambled => pieces::scrambled(random, image, shape),
            Kind::Strokes => strokes::draw(random, [shape[0], shape[1]]),
            Kind::Glyphs => glyphs::draw(random, [shape[0], shape[1]]),
            Kind::Shapes => shapes::draw(random, shape, self.canvas.border == Border::Black),
            Kind::Turned => pieces::turned(random, image, shape),
            Kind::Pictures => match &self.pictures {
                Some(pictures) => {
                    pictures.image(random.below(pictures.len() as u32) as usize).to_vec()
                }
                None => surfaces::noise(random, shape),
            },
        }
    }

    /// `count` samples, the kinds by turns, each with its kind; `place` tells them from others of the
    /// same seed.
    pub fn samples(&self, count: usize, seed: u64, place: u64) -> (Dataset, Vec<Kind>) {
        let kinds: Vec<Kind> = self.kinds().into_iter().cycle().take(count).collect();
        (self.made(&kinds, seed, place), kinds)
    }

    /// `count` samples of one kind.
    pub fn samples_of(&self, kind: Kind, count: usize, seed: u64, place: u64) -> Dataset {
        self.made(&vec![kind; count], seed, place)
    }

    fn made(&self, kinds: &[Kind], seed: u64, place: u64) -> Dataset {
        let mut samples = Vec::with_capacity(kinds.len() * self.images.image_size());
        for (start, kinds) in kinds.chunks(AT_ONCE).enumerate() {
            let made = parallel::map(kinds.len(), |index| {
                let place = place << 32 | (start * AT_ONCE + index) as u64;
                self.sample_of(kinds[index], &mut Random::new(seed, Purpose::Strange, place))
            });
            made.iter().for_each(|sample| samples.extend_from_slice(sample));
        }
        let names = self.images.names.clone();
        Dataset::new(self.images.shape, samples, vec![0; kinds.len()], names)
    }

    /// A random image and its label.
    fn image(&self, random: &mut Random) -> (&[u8], u16) {
        let index = self.sources[random.below(self.sources.len() as u32) as usize];
        (self.images.image(index), self.images.labels[index])
    }

    /// An image of another class than `label`, as far as a few draws find one.
    fn of_another_class(&self, label: u16, random: &mut Random) -> &[u8] {
        const DRAWS: usize = 16;
        let mut found = self.image(random);
        for _ in 0..DRAWS {
            if found.1 != label {
                break;
            }
            found = self.image(random);
        }
        found.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Strange};
    use crate::Dataset;
    use crate::random::{Purpose, Random};
    use crate::read::labels;
    use std::sync::Arc;

    /// Two classes: bright squares in the upper left and the lower right.
    fn images(shape: [usize; 3]) -> Arc<Dataset> {
        let [height, width, channels] = shape;
        let image = |class: usize| {
            (0..height * width * channels).map(move |at| {
                let (row, column) = (at / channels / width, at / channels % width);
                let inside = |at: usize, side: usize| {
                    let at = if class == 0 { at } else { side - 1 - at };
                    (1..side / 2).contains(&at)
                };
                if inside(row, height) && inside(column, width) { 200 } else { 0 }
            })
        };
        let samples = (0..6).flat_map(|index| image(index % 2)).collect();
        let labels = (0..6).map(|index| index % 2).collect();
        Arc::new(Dataset::new(shape, samples, labels, labels::numbers(2)))
    }

    #[test]
    fn the_same_seed_makes_the_same_samples_of_every_kind() {
        for shape in [[28, 28, 1], [12, 20, 3], [1, 30, 2], [1, 1, 8]] {
            let images = images(shape);
            let pictures = images.subset(&[0]);
            let strange = Strange::new(images, vec![0, 1, 2], &Kind::ALL, Some(pictures))
                .expect("there are kinds");
            let (a, kinds) = strange.samples(48, 3, 1);
            assert_eq!(a, strange.samples(48, 3, 1).0, "{shape:?}");
            assert_ne!(a, strange.samples(48, 4, 1).0, "{shape:?}");
            assert_ne!(a, strange.samples(48, 3, 2).0, "{shape:?}");
            assert_eq!((a.len(), a.shape), (48, shape));
            assert!(strange.kinds().iter().all(|kind| kinds.contains(kind)));
            assert_eq!(strange.kinds().contains(&Kind::Strokes), shape == [28, 28, 1]);
            assert_eq!(strange.kinds().contains(&Kind::Glyphs), shape == [28, 28, 1]);
            assert_eq!(strange.kinds().contains(&Kind::Turned), shape == [28, 28, 1]);
        }
    }

    #[test]
    fn no_sample_is_an_image_of_the_data() {
        let images = images([28, 28, 1]);
        let kinds: Vec<Kind> =
            Kind::ALL.into_iter().filter(|kind| *kind != Kind::Pictures).collect();
        let strange = Strange::new(images.clone(), vec![0, 1], &kinds, None).expect("kinds");
        for (index, kind) in kinds.iter().enumerate() {
            let mut random = Random::new(0, Purpose::Strange, index as u64);
            // A square on its side is the same square, and half a picture may miss all of its ink.
            if matches!(kind, Kind::Turned) {
                continue;
            }
            let sample = strange.sample_of(*kind, &mut random);
            assert!(images.images().all(|image| image != sample), "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_said() {
        let images = images([12, 20, 3]);
        let new = |sources: Vec<usize>, kinds: &[Kind], pictures: Option<Dataset>| {
            Strange::new(images.clone(), sources, kinds, pictures).map(|_| ())
        };
        assert!(new(vec![0], &[Kind::Strokes, Kind::Turned, Kind::Pictures], None).is_err());
        assert!(new(vec![], &[Kind::Noise], None).is_err());
        let other = Dataset::new([1, 1, 1], vec![0], vec![0], labels::numbers(2));
        assert!(new(vec![0], &[Kind::Noise], Some(other)).is_err());
        assert!(new(vec![0], &[Kind::Noise], Some(images.subset(&[1]))).is_ok());
    }
}
