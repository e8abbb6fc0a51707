//! Samples of something else, whose classes do not matter.

use std::path::Path;

use super::tree::Tree;
use super::{ImportError, Options, malformed, open_whole, unlabelled};
use crate::dataset::shape_text;
use crate::prepare::{InputForm, Layout, Polarity, Wishes};
use crate::{Dataset, Sink, Source};

/// All samples of `path`, a folder of pictures or a data set in any form, prepared like samples of
/// `shape` that came by `form`. None has a label, and there are no names. Of bytes that were no pictures
/// one colour stands for characters.
///
/// # Errors
///
/// Names the file or folder: what cannot be read, files that cannot be used, samples of another shape.
pub fn open(
    path: &Path,
    form: &InputForm,
    shape: [usize; 3],
    options: &Options,
) -> Result<Dataset, ImportError> {
    let [height, width, channels] = shape;
    let (layout, polarity) = match form {
        InputForm::Pictures(preparation) => (preparation.layout, preparation.polarity),
        _ if channels == 1 => (Layout::Glyph, Polarity::default()),
        _ => (Layout::Whole, Polarity::default()),
    };
    let pictures = Wishes {
        size: Some([height, width]),
        layout: Some(layout),
        usual: None,
        polarity,
        grey: channels == 1,
    };
    let numbers = match form {
        InputForm::Numbers(scaling) => Some(scaling.clone()),
        _ => options.numbers.clone(),
    };
    let options = Options { pictures, numbers, ..options.clone() };
    let flat = match path.is_dir() || Tree::is_archive(path) {
        true => unlabelled::open(path, &options, usize::MAX)?,
        false => None,
    };
    let sets = match flat {
        Some((pictures, ..)) => vec![pictures],
        None => {
            let collection = open_whole(path, &options)?;
            if !collection.bad.is_empty() && !options.skip_bad {
                return Err(ImportError::Bad { path: path.to_path_buf(), bad: collection.bad });
            }
            let test = collection.test_given.then_some(collection.test);
            [Some(collection.train), collection.validation, test].into_iter().flatten().collect()
        }
    };
    let (mut samples, mut sources) = (Sink::new(&options.room), Vec::<Source>::new());
    for set in &sets {
        if set.shape != shape {
            let [found, wanted] = [set.shape, shape].map(shape_text);
            let what = format!("has samples of {found}, but those of the classes have {wanted}");
            return Err(malformed(path, what));
        }
        set.images().try_for_each(|image| samples.push(image))?;
        sources.extend((0..set.len()).map(|index| set.source(index).cloned().unwrap_or_default()));
    }
    if sources.is_empty() {
        return Err(malformed(path, "has no samples".into()));
    }
    let labels = vec![0; sources.len()];
    Ok(Dataset::stored_in(samples.finish()?, shape, labels, Vec::new()).with_sources(sources))
}
