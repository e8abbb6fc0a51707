//! The proof of a conversion: that the file was read as what it is, and that the integers are those
//! that an independent runtime computes. tract runs both files.

mod reading;

use prost::Message;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::ensure;

use crate::conversion::Conversion;
use crate::graph::Shape;
pub use crate::nodes::{READING_TOLERANCE, off_from_nodes};
use crate::quantized::QuantizedNetwork;
use crate::read::view::View;
use crate::{pb, reference};
use inkling_data::{Dataset, planar_order};
use inkling_support::parallel;
pub use reading::{Reading, ReadingError, reading};

/// Images per run of tract's plan.
const BATCH: usize = 50;

/// Images on which the reading is checked.
const READING_IMAGES: usize = 20;

/// What was found about a conversion; a model card says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    pub reading: Reading,
    /// Every logit of the test images.
    pub integers: Agreement,
}

/// What a conversion was found to get wrong: nothing of it may be written.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("{0}; nothing was written")]
    Reading(#[from] ReadingError),
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
    /// What differs; a reading that nothing can check.
    pub fn of(
        conversion: &Conversion,
        images: &Dataset,
        test: &Dataset,
    ) -> Result<Self, ProofError> {
        let reading = check_reading(conversion, images)?;
        Self::with(reading, conversion, test)
    }

    /// The same, but a reading that nothing can check passes, and the statement says so.
    ///
    /// # Errors
    ///
    /// What differs.
    pub fn of_unchecked(
        conversion: &Conversion,
        images: &Dataset,
        test: &Dataset,
    ) -> Result<Self, ProofError> {
        let reading = match check_reading(conversion, images) {
            Err(ReadingError::Unchecked { tract, interpreter }) => {
                Reading::Unchecked { tract, interpreter }
            }
            other => other?,
        };
        Self::with(reading, conversion, test)
    }

    fn with(reading: Reading, conversion: &Conversion, test: &Dataset) -> Result<Self, ProofError> {
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
        match self.reading.note() {
            None => integers,
            Some(note) => format!("{integers}\n\nNote: {note}."),
        }
    }
}

fn check_reading(conversion: &Conversion, images: &Dataset) -> Result<Reading, ReadingError> {
    let some: Vec<usize> = (0..READING_IMAGES.min(images.len())).collect();
    let Conversion { float, source, pixels, .. } = conversion;
    reading(float, source, pixels, &images.subset(&some))
}

/// How the integer network compares with tract on `int8.onnx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    pub images: usize,
    /// Logits compared, those of all outputs: images × classes where there is one.
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
    let outputs = reference::all_outputs(network, images);
    let theirs = int8_outputs(int8_onnx, &network.output_shapes(), images)?;
    let differing =
        |(a, b): (&Vec<i32>, &Vec<i32>)| a.iter().zip(b).filter(|(a, b)| a != b).count();
    Ok(Agreement {
        images: images.len(),
        logits: images.len() * network.output_size(),
        mismatches: outputs.iter().zip(&theirs).map(differing).sum(),
        ours: match network.several_outputs() {
            None => outputs,
            Some(_) => reference::all_logits(network, images),
        },
    })
}

/// Runs an `int8.onnx` with one output on every image; of several inputs each sample has them one after
/// another.
///
/// # Errors
///
/// What tract says if it cannot load or run the model.
pub fn int8_logits(onnx: &[u8], classes: usize, images: &Dataset) -> TractResult<Vec<Vec<i32>>> {
    int8_outputs(onnx, &[Shape::flat(classes)], images)
}

/// Runs an `int8.onnx` with outputs of these shapes on every image: its outputs one behind the other, each
/// height × width × channels.
///
/// # Errors
///
/// What tract says if it cannot load or run the model; outputs of other shapes.
pub fn int8_outputs(onnx: &[u8], shapes: &[Shape], images: &Dataset) -> TractResult<Vec<Vec<i32>>> {
    let inputs = int8_inputs(onnx).filter(|inputs| inputs.len() > 1);
    let inputs = inputs.unwrap_or_else(|| vec![images.shape]);
    let plan = plan(onnx, &inputs)?;
    let batches =
        parallel::map(images.len().div_ceil(BATCH), |batch| -> TractResult<Vec<Vec<i32>>> {
            let first = batch * BATCH;
            let count = BATCH.min(images.len() - first);
            let mut tensors: TVec<TValue> = tvec!();
            let mut place = 0;
            for &shape in &inputs {
                let size: usize = shape.iter().product();
                let mut pixels = Vec::with_capacity(BATCH * size);
                for index in first..first + count {
                    let part = &images.image(index)[place..place + size];
                    pixels.extend(planar_order(shape).map(|at| part[at]));
                }
                pixels.resize(BATCH * size, 0);
                tensors.push(Tensor::from_shape(&batched(shape), &pixels)?.into());
                place += size;
            }
            let result = plan.run(tensors)?;
            ensure!(result.len() == shapes.len(), "{} outputs, not {}", result.len(), shapes.len());
            let mut rows = vec![Vec::new(); count];
            for (output, shape) in result.iter().zip(shapes) {
                let integers = output.cast_to::<i32>()?;
                let integers = integers.to_plain_array_view::<i32>()?;
                let integers: Vec<i32> = integers.iter().copied().collect();
                ensure!(integers.len() == BATCH * shape.size(), "an output of another size");
                let order = View::channels_first(0, *shape, 4).order();
                for (row, planes) in rows.iter_mut().zip(integers.chunks(shape.size().max(1))) {
                    let start = row.len();
                    row.resize(start + shape.size(), 0);
                    order.iter().zip(planes).for_each(|(&at, &q)| row[start + at] = q);
                }
            }
            Ok(rows)
        });
    let mut all = Vec::with_capacity(images.len());
    for batch in batches {
        all.extend(batch?);
    }
    Ok(all)
}

/// A batch of images of this height, width and number of channels, as ONNX has it.
fn batched([height, width, channels]: [usize; 3]) -> [usize; 4] {
    [BATCH, channels, height, width]
}

/// Height, width and channels of each input of an `int8.onnx`; nothing where that does not say it.
pub fn int8_inputs(onnx: &[u8]) -> Option<Vec<[usize; 3]>> {
    let graph = pb::ModelProto::decode(onnx).ok()?.graph?;
    let shape = |input: &pb::ValueInfoProto| match pb::fixed_sizes(input)?[..] {
        [channels, height, width] => Some([height, width, channels]),
        _ => None,
    };
    graph.input.iter().map(shape).collect()
}

fn plan(onnx: &[u8], inputs: &[[usize; 3]]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut bytes = onnx;
    let mut model = tract_onnx::onnx().model_for_read(&mut bytes)?;
    for (number, &shape) in inputs.iter().enumerate() {
        model = model.with_input_fact(number, u8::fact(batched(shape)).into())?;
    }
    model.into_optimized()?.into_runnable()
}
