//! `trainer explain`: what happens inside the int8 network for one picture.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::Args;
use inkling_data::prepare::Prepared;
use inkling_support::console;
use inkling_support::files::write_atomically;
use trainer::ask::explain::Explanation;
use trainer::ask::model::Model;

use super::data::PictureArgs;
use super::sample::{self, Asked, InputArgs};

/// Shows what the int8 network makes of a picture, layer by layer.
///
/// For a model of several inputs, of sensors or of other numbers --input gives a file for each input. The
/// integers of every layer with their range, saturation and headroom, the places the answer
/// depends on, and with --html the filters and feature maps as pictures.
#[derive(Args)]
pub struct ExplainCommand {
    /// The picture: PNG, JPEG, BMP, GIF or WebP
    #[arg(value_name = "IMAGE")]
    image: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
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
    sample::either(args.image.as_slice(), &args.input)?;
    let model = Model::open(&args.model)?;
    let asked = match &args.image {
        Some(image) => Asked::picture(image, &sample::of_pictures(&model, args.picture)?)
            .map_err(|what| anyhow!("{}: {what}", image.display()))?,
        None => args.input.read(&model, args.picture)?,
    };
    let explanation = Explanation::new(&model, &asked.bytes)?;
    let mut text = format!("{}, model {}\n", asked.title, model.name);
    text.push_str(&explanation.text());
    if let Some(path) = &args.html {
        let file = args.image.as_ref().and_then(|image| image.file_name());
        let title = file.map_or(asked.title.clone(), |file| file.to_string_lossy().into_owned());
        let prepared: Vec<&Prepared> =
            asked.inputs.iter().filter_map(|(.., prepared)| prepared.as_ref()).collect();
        write_atomically(path, explanation.html(&title, &prepared).as_bytes())?;
        text.push_str(&format!("\nwritten: {}\n", path.display()));
    }
    console::print(&text);
    Ok(())
}
