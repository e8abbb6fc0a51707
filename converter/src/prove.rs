//! The proof of a conversion: that the file was read as what it is, and that the integers are those
//! that an independent runtime computes. tract runs both files.

use tract_onnx::prelude::*;

use crate::convert::Conversion;
use crate::evaluate;
use crate::lower::Network;
use crate::passes::PixelScale;
use crate::quantized::QuantizedNetwork;
use crate::read;
use crate::reference;
use inkling_data::Dataset;
use inkling_support::parallel;

/// Images per run of tract's plan.
const BATCH: usize = 50;

/// How far the network as read may be from tract's result on the file, relative to the largest
/// logit; f32 rounding stays two orders of magnitude below.
const READING_TOLERANCE: f32 = 1e-3;

/// Images on which the reading is checked.
const READING_IMAGES: usize = 20;

/// What was found about a conversion; a model card says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    pub reading: Reading,
    /// Every logit of the test images.
    pub integers: Agreement,
}

/// How the network as read compares with what tract makes of the file itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// It is off by this part of the largest logit: rounding in f32.
    Agrees { error: f32 },
    /// tract cannot run the file, and why: it reads less than we do in places. The integers are
    /// still proven.
    NotCompared { why: String },
}

/// What a conversion was found to get wrong: nothing of it may be written.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error(
        "the network as read is off by {:.1} % of the largest logit from tract's result on the file; nothing \
         was written", 100.0 * .error
    )]
    Reading { error: f32 },
    #[error(
        "tract cannot run the int8.onnx that was made; this is a defect of the converter: {0:#}"
    )]
    Tract(TractError),
    #[error(
        "{mismatches} of {logits} logits differ between the integers and tract on int8.onnx; nothing was \
         written; this is a defect of the converter"
    )]
    Integers { mismatches: usize, logits: usize },
}

impl Proof {
    /// Checks the reading on some of `images` and the integers on every image of `test`.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn of(
        conversion: &Conversion,
        images: &Dataset,
        test: &Dataset,
    ) -> Result<Self, ProofError> {
        let some: Vec<usize> = (0..READING_IMAGES.min(images.len())).collect();
        let Conversion { float, source, pixels, .. } = conversion;
        let reading = match reading_error(float, source, pixels, &images.subset(&some)) {
            Ok(error) if error <= READING_TOLERANCE => Reading::Agrees { error },
            Ok(error) => return Err(ProofError::Reading { error }),
            Err(error) => Reading::NotCompared { why: error.to_string() },
        };
        let integers = against_tract(&conversion.network, &conversion.int8_onnx(), test)
            .map_err(ProofError::Tract)?;
        if integers.mismatches > 0 {
            let Agreement { mismatches, logits, .. } = integers;
            return Err(ProofError::Integers { mismatches, logits });
        }
        Ok(Self { reading, integers })
    }

    /// What a model card says.
    pub fn statement(&self) -> String {
        let integers = format!(
            "All {} logits equal tract's on `int8.onnx`, with no tolerance.",
            self.integers.logits
        );
        match &self.reading {
            Reading::Agrees { .. } => integers,
            Reading::NotCompared { why } => format!(
                "{integers} The reading of `float.onnx` was not compared, because tract cannot run it: {why}"
            ),
        }
    }
}

/// How the integer network compares with tract on `int8.onnx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub images: usize,
    /// Logits compared: images × classes.
    pub logits: usize,
    /// Logits that differ, of any size: anything but 0 is a defect.
    pub mismatches: usize,
    /// The integer network's logits, for whoever needs them next.
    pub ours: Vec<Vec<i32>>,
}

/// Compares every logit of every image, with no tolerance.
///
/// # Errors
///
/// What tract says if it cannot load or run the model.
pub fn against_tract(
    network: &QuantizedNetwork,
    int8_onnx: &[u8],
    images: &Dataset,
) -> TractResult<Agreement> {
    let ours = reference::all_logits(network, images);
    let theirs = int8_logits(int8_onnx, network.classes(), images)?;
    let differing =
        |(a, b): (&Vec<i32>, &Vec<i32>)| a.iter().zip(b).filter(|(a, b)| a != b).count();
    Ok(Agreement {
        images: images.len(),
        logits: images.len() * network.classes(),
        mismatches: ours.iter().zip(&theirs).map(differing).sum(),
        ours,
    })
}

/// Runs an `int8.onnx` on every image.
pub fn int8_logits(onnx: &[u8], classes: usize, images: &Dataset) -> TractResult<Vec<Vec<i32>>> {
    let [height, width, channels] = images.shape;
    let shape = [BATCH, channels, height, width];
    let plan = plan(onnx, u8::fact(shape).into())?;
    let size = images.image_size();
    let batches =
        parallel::map(images.len().div_ceil(BATCH), |batch| -> TractResult<Vec<Vec<i32>>> {
            let first = batch * BATCH;
            let count = BATCH.min(images.len() - first);
            let mut pixels = images.planar_batch(first..first + count);
            pixels.resize(BATCH * size, 0);
            let result = plan.run(tvec!(Tensor::from_shape(&shape, &pixels)?.into()))?;
            let view = result[0].to_plain_array_view::<i32>()?;
            let logits: Vec<i32> = view.iter().copied().collect();
            Ok(logits.chunks(classes).take(count).map(<[i32]>::to_vec).collect())
        });
    let mut all = Vec::with_capacity(images.len());
    for batch in batches {
        all.extend(batch?);
    }
    Ok(all)
}

/// How far the layers as read are from what tract computes with the file itself.
///
/// Returns the largest difference between two outputs over `images`, relative to the largest
/// output. Rounding in f32 gives about 10⁻⁶; anything near 1 means that the file was misread.
///
/// # Errors
///
/// What tract says if it cannot load or run the file.
pub fn reading_error(
    network: &Network,
    onnx: &[u8],
    pixels: &PixelScale,
    images: &Dataset,
) -> TractResult<f32> {
    let dims = read::input_dims(onnx)?;
    // One plan for all: a fixed batch is filled with copies of the image.
    let plan = plan(onnx, f32::fact(&dims).into())?;
    let copies = dims.iter().product::<usize>() / images.image_size().max(1);
    let differences = parallel::map(images.len(), |index| -> TractResult<(f32, f32)> {
        let image = images.image(index);
        let scale =
            |&pixel: &u8| (f32::from(pixel) / pixels.divisor - pixels.mean) / pixels.deviation;
        let planar = images.planar_batch(index..index + 1);
        let scaled: Vec<f32> = planar.iter().map(scale).collect::<Vec<_>>().repeat(copies);
        let result = plan.run(tvec!(Tensor::from_shape(&dims, &scaled)?.into()))?;
        let theirs: Vec<f32> = result[0].to_plain_array_view::<f32>()?.iter().copied().collect();
        let ours = network.head.apply(&evaluate::logits(network, image));
        let largest = |values: &[f32]| values.iter().fold(0_f32, |peak, x| peak.max(x.abs()));
        let differences: Vec<f32> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
        Ok((largest(&differences), largest(&ours)))
    });
    let mut worst = (0_f32, 0_f32);
    for result in differences {
        let (difference, peak) = result?;
        worst = (worst.0.max(difference), worst.1.max(peak));
    }
    Ok(worst.0 / worst.1.max(f32::MIN_POSITIVE))
}

fn plan(onnx: &[u8], input: InferenceFact) -> TractResult<Arc<TypedRunnableModel>> {
    let mut bytes = onnx;
    tract_onnx::onnx()
        .model_for_read(&mut bytes)?
        .with_input_fact(0, input)?
        .into_optimized()?
        .into_runnable()
}
