//! `trainer augment`: what an augmentation does to images, as a sheet of pictures.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;
use inkling_data::random::{Purpose, Random};
use inkling_data::read::{Tile, sheet};
use inkling_data::{Augmentation, Border};
use inkling_support::console;
use inkling_support::files::write_atomically;
use trainer::tell::report;

use super::data::{self, ImportArgs};

/// Shows what random changes do to the training images before a network sees them.
///
/// Each row of the sheet is an image of one class, as it is and then as it is changed. Without a
/// strength, all changes are shown at moderate ones.
#[derive(Args)]
pub struct AugmentCommand {
    /// The sheet, a PNG file
    #[arg(long, value_name = "FILE")]
    preview: PathBuf,
    /// The data set: IDX files, a CSV file, or a folder per label with pictures
    #[arg(long, value_name = "DATA", default_value = "data/mnist")]
    data: PathBuf,
    /// Decides every change
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Changed pictures per image
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=100))]
    count: u16,
    #[command(flatten)]
    strengths: Strengths,
    #[command(flatten)]
    import: ImportArgs,
}

/// The largest strengths; each image draws its own
#[derive(Args, Clone)]
struct Strengths {
    /// Degrees to either side
    #[arg(long, value_name = "DEGREES")]
    rotation: Option<f32>,
    /// Fraction by which a side grows or shrinks
    #[arg(long, value_name = "FRACTION")]
    scale: Option<f32>,
    /// Pixels in any direction
    #[arg(long, value_name = "PIXELS")]
    shift: Option<f32>,
    /// Sideways movement per row
    #[arg(long, value_name = "FRACTION")]
    shear: Option<f32>,
    /// Pixels by which regions move on their own
    #[arg(long, value_name = "PIXELS")]
    elastic: Option<f32>,
    /// Pixels between the points that move on their own [default: 7]
    #[arg(long, value_name = "PIXELS")]
    elastic_spacing: Option<f32>,
    /// Fraction of a side that is cut away
    #[arg(long, value_name = "FRACTION")]
    crop: Option<f32>,
    /// Deviation of the noise, in units of full brightness
    #[arg(long, value_name = "FRACTION")]
    noise: Option<f32>,
    /// Fraction of the area that is covered
    #[arg(long, value_name = "FRACTION")]
    erase: Option<f32>,
    /// How often the image is mirrored left to right
    #[arg(long, value_name = "FRACTION")]
    mirror: Option<f32>,
    /// Light added or taken, in units of full brightness
    #[arg(long, value_name = "FRACTION")]
    brightness: Option<f32>,
    /// Fraction by which contrast grows or falls
    #[arg(long, value_name = "FRACTION")]
    contrast: Option<f32>,
    /// Fraction by which colours get stronger or weaker
    #[arg(long, value_name = "FRACTION")]
    saturation: Option<f32>,
    /// Degrees by which colours turn on the colour circle
    #[arg(long, value_name = "DEGREES")]
    hue: Option<f32>,
}

/// What is shown if nothing is asked for.
const MODERATE: Augmentation = Augmentation {
    rotation: 12.0,
    scale: 0.12,
    shift: 2.0,
    shear: 0.15,
    elastic: 2.0,
    elastic_spacing: 0.0,
    crop: 0.1,
    noise: 0.1,
    erase: 0.08,
    mirror: 0.0,
    brightness: 0.1,
    contrast: 0.2,
    saturation: 0.2,
    hue: 0.0,
    // Two images in one have no place on a sheet of one image each.
    mix_up: 0.0,
    cut_mix: 0.0,
};

impl Strengths {
    fn augmentation(&self) -> Augmentation {
        let all = [
            self.rotation,
            self.scale,
            self.shift,
            self.shear,
            self.elastic,
            self.crop,
            self.noise,
            self.erase,
            self.mirror,
            self.brightness,
            self.contrast,
            self.saturation,
            self.hue,
        ];
        if all.iter().all(Option::is_none) {
            return Augmentation {
                elastic_spacing: self.elastic_spacing.unwrap_or_default(),
                ..MODERATE
            };
        }
        Augmentation {
            rotation: self.rotation.unwrap_or_default(),
            scale: self.scale.unwrap_or_default(),
            shift: self.shift.unwrap_or_default(),
            shear: self.shear.unwrap_or_default(),
            elastic: self.elastic.unwrap_or_default(),
            elastic_spacing: self.elastic_spacing.unwrap_or_default(),
            crop: self.crop.unwrap_or_default(),
            noise: self.noise.unwrap_or_default(),
            erase: self.erase.unwrap_or_default(),
            mirror: self.mirror.unwrap_or_default(),
            brightness: self.brightness.unwrap_or_default(),
            contrast: self.contrast.unwrap_or_default(),
            saturation: self.saturation.unwrap_or_default(),
            hue: self.hue.unwrap_or_default(),
            ..Augmentation::default()
        }
    }
}

pub fn run(args: &AugmentCommand) -> Result<()> {
    let augmentation = args.strengths.augmentation();
    augmentation.check().map_err(|what| anyhow!(what))?;
    let collection = data::open(&args.data, &args.import.options(args.seed))?;
    let train = &collection.train;
    let size = [train.height(), train.width()];
    let border = Border::of(train);
    let mut rows = Vec::new();
    for class in 0..train.classes() {
        let Some(index) = train.labels.iter().position(|&label| usize::from(label) == class) else {
            continue;
        };
        let image = train.image(index);
        let changed = |epoch: u64| {
            // As the training does: a stream for each epoch and image.
            let mut random =
                Random::new(args.seed, Purpose::Augmentation, epoch << 32 | index as u64);
            let mut out = vec![0.0; image.len()];
            augmentation.apply(&mut random, image, train.shape, border, &mut out);
            let bytes: Vec<u8> =
                out.into_iter().map(|pixel| (255.0 * pixel).round() as u8).collect();
            Tile::new(train.shape, &bytes)
        };
        let first = Tile::new(train.shape, image);
        let row = std::iter::once(first).chain((0..u64::from(args.count)).map(changed));
        rows.push(row.map(|tile| tile.enlarged(2)).collect());
    }
    let picture = sheet(rows, size.map(|side| 2 * side));
    write_atomically(&args.preview, &report::png(&picture))?;
    console::print(&format!(
        "changes:  {augmentation}\nwritten:  {}: a row per class, the image as it is and {} changed ones\n",
        args.preview.display(),
        args.count
    ));
    Ok(())
}
