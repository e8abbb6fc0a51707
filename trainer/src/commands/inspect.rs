//! `trainer inspect`: what a data set holds, and what is wrong with it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use inkling_support::files::write_atomically;
use inkling_support::{console, stage};
use trainer::ask::inspect::Inspection;
use trainer::ask::model::Model;

use super::data::{self, ImportArgs};

/// The model that is used where it fits and none is named.
const DEFAULT_MODEL: &str = "models/simple";

/// Looks at a data set: counts, pixels, blank and repeated images, doubtful labels.
///
/// Finds equal images, also across training and test, near duplicates across both, and images
/// whose label a trained model doubts. --html writes a page with pictures and plots that needs no
/// network.
#[derive(Args)]
pub struct InspectCommand {
    /// The data set: IDX files, a CSV file, or a folder per label with pictures
    #[arg(long, value_name = "DATA", default_value = "data/mnist")]
    data: PathBuf,
    /// The model that judges the labels [default: models/simple, where it fits]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Chooses the test images where the data set has none
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write a report as one HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    import: ImportArgs,
}

pub fn run(args: &InspectCommand) -> Result<()> {
    let collection = data::open(&args.data, &args.import.options(args.seed))?;
    let model = match &args.model {
        Some(folder) => Some(Model::open(folder)?),
        // A model nobody asked for helps where it can and is silent where not.
        None => Model::open(DEFAULT_MODEL.as_ref()).ok().filter(|model| {
            let known = |name: &String| model.names.contains(name);
            model.shape() == collection.train.shape && collection.train.names.iter().all(known)
        }),
    };
    stage::show(format_args!(
        "looking at {} images",
        collection.train.len() + collection.test.len()
    ));
    let inspection = Inspection::new(&collection, model.as_ref())?;
    let answers = model.map(|model| model.names).unwrap_or_default();
    let mut text = inspection.text(&answers);
    if let Some(path) = &args.html {
        write_atomically(
            path,
            inspection.html(&args.data.display().to_string(), &answers).as_bytes(),
        )?;
        text.push_str(&format!("\nwritten: {}\n", path.display()));
    }
    console::print(&text);
    Ok(())
}
