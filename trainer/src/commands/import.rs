//! `trainer import`: a data set of any form becomes IDX files.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use inkling_data::prepare::repair;
use inkling_data::read::{Collection, idx, labels};
use inkling_data::{Split, shape_text};
use inkling_support::console;
use inkling_support::files::write_atomically;
use trainer::ask::inspect::unclean;

use super::data::{self, ImportArgs};

/// Turns pictures or a CSV file into the IDX files that all tools read.
///
/// DATA is a folder per label with PNG, JPEG, BMP, GIF or WebP files of any size (or train/ and test/ with
/// such folders), a CSV file of label,pixel,…, arrays, a folder of IDX files, or an archive of these. Pictures of
/// characters are converted the way MNIST was made: light ink on dark, boxed with its aspect kept, centre of mass
/// at the centre. Writes the four IDX files, labels.txt, and for pictures preview.png.
#[derive(Args)]
pub struct ImportCommand {
    /// The data set
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Folder for the IDX files; created where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Chooses the test images where the data set has none
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Fill the stuck pixels of training images, and leave out those that are blank, repeated, in
    /// the test set too, or equal to one with another label
    #[arg(long)]
    clean: bool,
    #[command(flatten)]
    import: ImportArgs,
}

pub fn run(args: &ImportCommand) -> Result<()> {
    let same = |a: &PathBuf, b: &PathBuf| match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    ensure!(!same(&args.data, &args.out), "--out {}: is the data set itself", args.out.display());
    let mut collection = data::open(&args.data, &args.import.options(args.seed))?;
    if args.clean {
        clean(&mut collection)?;
    }
    let preview = collection.preview.as_ref().map(trainer::tell::report::png);
    let validation = collection.validation.as_ref().map(|set| (Split::Validation, set));
    let others = [(Split::Train, &collection.train), (Split::Test, &collection.test)];
    for (split, dataset) in others.into_iter().chain(validation) {
        idx::write_pair(&args.out, split, dataset)?;
    }
    labels::write(&args.out, &collection.train.names)?;
    let mut text = String::new();
    for note in &collection.notes {
        text.push_str(&format!("{note}\n"));
    }
    if let Some(preview) = preview {
        let path = args.out.join("preview.png");
        write_atomically(&path, &preview)?;
        text.push_str(&format!(
            "preview:  {}: a row per label, each picture with its image at the right\n",
            path.display()
        ));
    }
    text.push_str(&format!(
        "labels:   {}\nwritten:  {} training and {} test images of {} in {}\n",
        collection.train.names.join(" "),
        collection.train.len(),
        collection.test.len(),
        shape_text(collection.train.shape),
        args.out.display()
    ));
    console::print(&text);
    Ok(())
}

/// Repairs what can be repaired, and drops what is not worth learning from. The test set stays as
/// it is.
fn clean(collection: &mut Collection) -> Result<()> {
    let (pixels, images) = repair::stuck_pixels(&mut collection.train)?;
    collection.notes.push(format!(
        "clean: {pixels} stuck pixels in {images} training images filled from their neighbours"
    ));
    let dropped = unclean(collection);
    let count = |reason: &str| dropped.iter().filter(|(_, other)| *other == reason).count();
    let mut reasons: Vec<&str> = dropped.iter().map(|(_, reason)| *reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let listed: Vec<String> =
        reasons.iter().map(|reason| format!("{} {reason}", count(reason))).collect();
    collection.notes.push(match dropped.len() {
        0 => "clean: nothing to leave out".to_string(),
        all => format!("clean: {all} training images left out: {}", listed.join(", ")),
    });
    let out = |index: &usize| dropped.binary_search_by_key(index, |(place, _)| *place).is_ok();
    let kept: Vec<usize> = (0..collection.train.len()).filter(|index| !out(index)).collect();
    ensure!(!kept.is_empty(), "--clean would leave no training image");
    collection.train = collection.train.subset(&kept);
    Ok(())
}
