//! The sample that somebody asks a model about: a picture, or a file for each of its inputs.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use inkling_data::prepare::{InputForm, Layout, Preparation, Prepared};
use inkling_data::read::single::{Sample, Taking};
use inkling_data::shape_text;
use trainer::ask::model::Model;

use super::data::PictureArgs;

/// A file for each input of a model
#[derive(Args, Clone)]
pub struct InputArgs {
    /// What one input of the model is shown; once for each of its inputs. FILE is a picture, a CSV file with a
    /// row per moment and a column per sensor, or a .npy array of one sample, which is scaled as in
    /// training
    #[arg(long = "input", value_name = "NAME=FILE")]
    inputs: Vec<String>,
}

/// A sample, ready for the model.
pub struct Asked {
    /// What it is made of, for a title.
    pub title: String,
    /// One input after the other.
    pub bytes: Vec<u8>,
    /// Each input with what was read, and how a picture was prepared. One that is alone has no name.
    pub inputs: Vec<(String, String, Option<Prepared>)>,
}

impl InputArgs {
    pub fn are_given(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// Reads the file of each input, in the order of the model.
    ///
    /// # Errors
    ///
    /// One line: what is not there, given twice, or cannot be used.
    pub fn read(&self, model: &Model, options: PictureArgs) -> Result<Asked> {
        let given: Vec<(&str, &str)> = (self.inputs.iter())
            .map(|text| {
                text.split_once('=').ok_or_else(|| anyhow!("--input {text}: is not NAME=FILE"))
            })
            .collect::<Result<_>>()?;
        let known = names(model);
        for (at, (name, _)) in given.iter().enumerate() {
            ensure!(
                known.contains(name),
                "--input {name}: {} has the inputs {}",
                model.folder.display(),
                known.join(", ")
            );
            ensure!(
                given[..at].iter().all(|(other, _)| other != name),
                "--input {name}: is given twice"
            );
        }
        let mut asked = Asked { title: String::new(), bytes: Vec::new(), inputs: Vec::new() };
        for (at, name) in known.iter().enumerate() {
            let Some((_, file)) = given.iter().find(|(other, _)| other == name) else {
                bail!("--input {name}=FILE: is missing, the model takes {}", known.join(", "));
            };
            let taking = taking(model, at, options);
            let sample = taking.read(Path::new(file)).map_err(|what| anyhow!("{file}: {what}"))?;
            asked.add(file, if known.len() > 1 { name } else { "" }, sample);
        }
        Ok(asked)
    }
}

impl Asked {
    /// A picture for a model of one input.
    pub fn picture(path: &Path, taking: &Taking) -> Result<Self, String> {
        let mut asked = Self { title: String::new(), bytes: Vec::new(), inputs: Vec::new() };
        asked.add(&path.display().to_string(), "", taking.read(path)?);
        Ok(asked)
    }

    fn add(&mut self, file: &str, name: &str, sample: Sample) {
        if !self.title.is_empty() {
            self.title.push_str(", ");
        }
        self.title.push_str(file);
        self.bytes.extend(sample.bytes);
        self.inputs.push((name.to_string(), sample.read, sample.prepared));
    }
}

fn names(model: &Model) -> Vec<&str> {
    model.record.inputs.iter().map(|input| &input.name[..]).collect()
}

/// How input `at` of a model takes files.
fn taking(model: &Model, at: usize, mut options: PictureArgs) -> Taking {
    let input = model.record.inputs.get(at);
    let shape = match input {
        Some(input) if model.record.inputs.len() > 1 => input.shape,
        _ => model.shape(),
    };
    let recorded = input.map(|input| input.preparation.clone()).unwrap_or_default();
    // Bytes that were learned as they were are no characters where there are several inputs.
    if model.record.inputs.len() > 1 && !matches!(recorded.form, Some(InputForm::Pictures(_))) {
        options.layout = options.layout.or(Some(Layout::Whole));
    }
    Taking {
        shape,
        preparation: options.preparation_by(recorded.form.as_ref(), shape),
        form: recorded.form,
        fill: recorded.fill,
        missing_value: recorded.missing_value,
    }
}

/// How pictures become samples of a model with one input.
///
/// # Errors
///
/// A model of several inputs; one whose input no picture becomes.
pub fn of_pictures(model: &Model, options: PictureArgs) -> Result<Taking> {
    let names = names(model);
    ensure!(
        names.len() < 2,
        "{}: the model takes several inputs ({}), of which one picture is none; predict and explain take \
         --input NAME=FILE for each, evaluate a data set",
        model.folder.display(),
        names.join(", ")
    );
    let name = names.first().copied().unwrap_or("image");
    ensure!(
        matches!(model.channels, 1 | 3),
        "{}: the model takes {}, which no picture becomes; predict and explain take --input {name}=FILE with a \
         CSV file or a .npy array",
        model.folder.display(),
        shape_text(model.shape())
    );
    let numbers = taking(model, 0, options);
    ensure!(
        !matches!(numbers.form, Some(InputForm::Numbers(_))) || model.height > 1,
        "{}: the model takes rows of numbers, which no picture becomes; predict and explain take --input \
         {name}=FILE with a CSV file or a .npy array",
        model.folder.display(),
    );
    // Numbers of a table may have been pixels: a picture is prepared as one of a character.
    Ok(Taking { form: None, ..numbers })
}

/// How pictures become images for a model of one input: as in its training, unless options say otherwise.
pub fn preparation(model: &Model, options: PictureArgs) -> Result<Preparation> {
    Ok(of_pictures(model, options)?.preparation)
}

/// The paths of what a command was given, where it was given neither or both.
pub fn either(pictures: &[PathBuf], inputs: &InputArgs) -> Result<()> {
    match (pictures.is_empty(), inputs.are_given()) {
        (true, false) => bail!("nothing is given to ask about: a picture, or --input NAME=FILE"),
        (false, true) => bail!("give pictures or --input NAME=FILE, not both"),
        _ => Ok(()),
    }
}
