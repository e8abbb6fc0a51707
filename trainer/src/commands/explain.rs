//! `trainer explain`: what happens inside the int8 network for one picture.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;
use inkling_support::console;
use inkling_support::files::write_atomically;
use trainer::ask::explain::Explanation;
use trainer::ask::model::Model;

use super::data::PictureArgs;
use super::predict::{preparation, prepare};

/// Shows what the int8 network makes of a picture, layer by layer.
///
/// The integers of every layer with their range, saturation and headroom, the places the answer
/// depends on, and with --html the filters and feature maps as pictures.
#[derive(Args)]
pub struct ExplainCommand {
    /// The picture: PNG, JPEG or BMP
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Folder of the model
    #[arg(long, value_name = "DIR", default_value = "models/simple")]
    model: PathBuf,
    #[command(flatten)]
    picture: PictureArgs,
    /// Write a report with pictures as one HTML file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub fn run(args: &ExplainCommand) -> Result<()> {
    let model = Model::open(&args.model)?;
    let (_, prepared) = prepare(&args.image, &preparation(&model, args.picture)?)
        .map_err(|what| anyhow!("{}: {what}", args.image.display()))?;
    let explanation = Explanation::new(&model, &prepared.pixels)?;
    let mut text = format!("{}, model {}\n", args.image.display(), model.name);
    text.push_str(&explanation.text());
    if let Some(path) = &args.html {
        let title = args.image.file_name().unwrap_or_default().to_string_lossy();
        write_atomically(path, explanation.html(&title, &prepared).as_bytes())?;
        text.push_str(&format!("\nwritten: {}\n", path.display()));
    }
    console::print(&text);
    Ok(())
}
