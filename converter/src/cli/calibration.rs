//! The images that choose the exponents and show what they cost in accuracy.

use std::path::Path;

use anyhow::{Result, bail};
use converter::graph::{SampleInput, Shape};
use converter::record::{ModelRecord, PreparationRecord};
use converter::{CALIBRATION_IMAGES, evaluate, lower};
use inkling_data::prepare::{InputForm, Layout, Polarity};
use inkling_data::read::{self, ImportError, Options, Wanted, idx, labels};
use inkling_data::{Dataset, DatasetError, Split};
use inkling_support::order::first_largest;
use inkling_support::parallel;

/// What was read.
pub struct Images {
    pub calibration: Dataset,
    pub test: Dataset,
    /// What `test` is, for a sentence: `test`, or `calibration` where there are no others.
    pub test_name: &'static str,
    /// The labels are of the data; else they are the float network's answers.
    pub labelled: bool,
    /// How the source became the bytes of each input, where it was no bytes before.
    pub forms: Vec<InputForm>,
    /// What was chosen on the way, a line each.
    pub notes: Vec<String>,
}

/// Reads samples for `network`: a data set in any of its forms, or pictures without labels. Pictures
/// are prepared as in `record` unless a layout or an ink is `asked` for.
pub fn load(
    path: &Path,
    network: &lower::Network,
    record: Option<&ModelRecord>,
    asked: (Option<Layout>, Option<Polarity>),
) -> Result<Images> {
    if network.inputs().len() > 1 {
        return several(path, network, record, asked);
    }
    if idx::is_pair(path, Split::Train) {
        return idx_pairs(path);
    }
    let recorded = record.map(ModelRecord::preparation).unwrap_or_default();
    let options = options(network.input, &recorded, asked);
    match read::open(path, &options) {
        Ok(collection) => Ok(Images {
            calibration: collection.train,
            test: collection.test,
            test_name: "test",
            labelled: true,
            forms: vec![collection.form],
            notes: collection.notes,
        }),
        // A folder of pictures with nothing said about them.
        Err(error @ ImportError::Malformed { .. }) => {
            unlabelled(path, network, &options)?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Samples of several inputs: one by the name of each.
fn several(
    path: &Path,
    network: &lower::Network,
    record: Option<&ModelRecord>,
    asked: (Option<Layout>, Option<Polarity>),
) -> Result<Images> {
    let wanted = |input: SampleInput| {
        let of_input = |record: &ModelRecord| {
            let known = record.inputs.iter().find(|known| known.name == input.name)?;
            Some(known.preparation.clone())
        };
        let recorded = record.and_then(of_input).unwrap_or_default();
        let options = options(input.shape, &recorded, asked);
        Wanted { name: input.name, shape: Some(input.shape.hwc()), options }
    };
    let inputs = network.inputs().into_iter().map(wanted).collect();
    let collection = read::open(path, &Options { inputs, ..Options::default() })?;
    Ok(Images {
        calibration: collection.train,
        test: collection.test,
        test_name: "test",
        labelled: true,
        forms: collection.forms,
        notes: collection.notes,
    })
}

/// MNIST's own files, as they are.
fn idx_pairs(folder: &Path) -> Result<Images> {
    let calibration = Dataset::load(folder, Split::Train)?;
    // Without a test set the calibration images serve as golden ones.
    let (test, test_name) = match Dataset::load(folder, Split::Test) {
        Ok(test) => (test, "test"),
        Err(DatasetError::Missing { .. }) => (calibration.clone(), "calibration"),
        Err(error) => return Err(error.into()),
    };
    let (images, labels) = Split::Test.files(folder);
    calibration.check_twin(&test, &images, &labels)?;
    let (forms, notes) = (Vec::new(), Vec::new());
    Ok(Images { calibration, test, test_name, labelled: true, forms, notes })
}

/// As a record says, unless somebody asks for another layout or ink.
fn options(
    input: Shape,
    recorded: &PreparationRecord,
    (layout, ink): (Option<Layout>, Option<Polarity>),
) -> Options {
    let mut options = recorded.options(input.hwc());
    options.pictures.layout = layout;
    options.pictures.polarity = ink.unwrap_or(options.pictures.polarity);
    options
}

/// Pictures without labels, with the float network's answers for labels; nothing where there is
/// anything else.
fn unlabelled(path: &Path, network: &lower::Network, options: &Options) -> Result<Option<Images>> {
    let found = read::unlabelled::open(path, options, CALIBRATION_IMAGES)?;
    let Some((mut images, preparation, reason)) = found else { return Ok(None) };
    if images.image_size() != network.input.size() {
        let [height, width, channels] = images.shape;
        bail!(
            "{}: its pictures became {height}×{width}×{channels}, but the model takes {} values",
            path.display(),
            network.input.size()
        );
    }
    let answers = parallel::map(images.len(), |index| {
        first_largest(&evaluate::logits(network, images.image(index))) as u16
    });
    images.labels = answers;
    images.names = labels::numbers(network.classes().max(2));
    Ok(Some(Images {
        test: images.clone(),
        calibration: images,
        test_name: "calibration",
        labelled: false,
        forms: vec![InputForm::Pictures(preparation)],
        notes: vec![reason],
    }))
}
