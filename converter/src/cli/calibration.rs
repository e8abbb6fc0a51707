//! The images that choose the exponents and show what they cost in accuracy.

use std::path::Path;

use anyhow::{Result, bail};
use converter::graph::Shape;
use converter::record::ModelRecord;
use converter::{CALIBRATION_IMAGES, evaluate, lower};
use inkling_data::prepare::{InputForm, Layout, Polarity, Wishes};
use inkling_data::read::{self, ImportError, Options, idx, labels};
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
    /// How the source became bytes, where it was no bytes before.
    pub form: Option<InputForm>,
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
    if idx::is_pair(path, Split::Train) {
        return idx_pairs(path);
    }
    let options = options(network.input, record, asked);
    match read::open(path, &options) {
        Ok(collection) => Ok(Images {
            calibration: collection.train,
            test: collection.test,
            test_name: "test",
            labelled: true,
            form: Some(collection.form),
            notes: collection.notes,
        }),
        // A folder of pictures with nothing said about them.
        Err(error @ ImportError::Malformed { .. }) => {
            unlabelled(path, network, &options)?.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
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
    let (form, notes) = (None, Vec::new());
    Ok(Images { calibration, test, test_name, labelled: true, form, notes })
}

fn options(
    input: Shape,
    record: Option<&ModelRecord>,
    asked: (Option<Layout>, Option<Polarity>),
) -> Options {
    let recorded = record.map(ModelRecord::preparation).unwrap_or_default();
    let (layout, polarity) = match &recorded.form {
        Some(InputForm::Pictures(preparation)) => (preparation.layout, preparation.polarity),
        _ => (Layout::Whole, Polarity::default()),
    };
    Options {
        pictures: Wishes {
            // A file that takes a vector does not say which sides it has.
            size: (input.height * input.width > 1).then_some([input.height, input.width]),
            layout: asked.0,
            // The record's, or how other tools train.
            usual: Some(layout),
            polarity: asked.1.unwrap_or(polarity),
            grey: input.channels == 1 || input.height * input.width == 1,
        },
        numbers: match recorded.form {
            Some(InputForm::Numbers(scaling)) => Some(scaling),
            _ => None,
        },
        fill: recorded.fill,
        missing_value: recorded.missing_value,
        ..Options::default()
    }
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
        form: Some(InputForm::Pictures(preparation)),
        notes: vec![reason],
    }))
}
