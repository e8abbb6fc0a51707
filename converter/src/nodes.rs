//! Does the network as read compute what the file's own nodes do? The
//! [`interpreter`](crate::interpreter) evaluates them; it knows nothing of the graph that the reading
//! makes.

use crate::evaluate;
use crate::graph::{Head, Output, SampleInput, Shape};
use crate::interpreter::{self, Tensor, Values};
use crate::lower::Network;
use crate::passes::PixelScale;
use crate::read::{File, Input};
use inkling_data::Dataset;
use inkling_support::parallel;

/// How far the network as read may be from the file, relative to the largest output; f32 rounding
/// stays two orders of magnitude below.
pub const READING_TOLERANCE: f32 = 1e-3;

/// Images that the interpreter computes, which is slow.
const INTERPRETED_IMAGES: usize = 4;

/// How far a reading is from an evaluation of the file's own nodes, relative to the largest output.
///
/// # Errors
///
/// What is wrong with the file, or cannot be evaluated.
pub fn off_from_nodes(
    network: &Network,
    onnx: &[u8],
    pixels: &[PixelScale],
    images: &Dataset,
) -> Result<f32, String> {
    let file = File::decode(onnx).map_err(|error| error.to_string())?;
    let inputs = Input::all(&file).map_err(|error| error.to_string())?;
    Check { network, file: &file, inputs: &inputs, pixels, images }.error_by_nodes()
}

/// A reading that is compared with another runtime.
pub(crate) struct Check<'a> {
    pub network: &'a Network,
    pub file: &'a File,
    pub inputs: &'a [Input],
    /// How each input takes its bytes.
    pub pixels: &'a [PixelScale],
    pub images: &'a Dataset,
}

impl Check<'_> {
    pub fn error_by_nodes(&self) -> Result<f32, String> {
        let outputs: Vec<&str> =
            self.file.graph.output.iter().map(|output| output.name.as_str()).collect();
        let outputs = &outputs;
        self.error(INTERPRETED_IMAGES, |_| {
            Ok(|tensors: &[Tensor]| interpret(self.file, self.inputs, outputs, tensors))
        })
    }

    /// The largest difference between the network and another runtime over at most `count` images, relative
    /// to the largest value of the same output. `prepare` gives what runs the file for a batch size and
    /// returns all outputs.
    pub fn error<R: Fn(&[Tensor]) -> Result<Vec<Vec<f32>>, String> + Sync>(
        &self,
        count: usize,
        prepare: impl Fn(usize) -> Result<R, String>,
    ) -> Result<f32, String> {
        // Two different images at once show what mixes them; a file whose dimensions were fixed
        // for one image takes one only.
        let batches = match self.inputs[0].batch {
            Some(batch) => vec![batch],
            None => vec![2, 1],
        };
        let mut failed = "there are no images".to_string();
        for batch in batches {
            let error = prepare(batch).and_then(|run| self.error_with(count, batch, &run));
            match error {
                Ok(error) => return Ok(error),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn error_with<R: Fn(&[Tensor]) -> Result<Vec<Vec<f32>>, String> + Sync>(
        &self,
        count: usize,
        batch: usize,
        run: &R,
    ) -> Result<f32, String> {
        let count = count.min(self.images.len());
        let outputs = &self.network.outputs;
        // Of each output the largest difference and the largest value.
        let runs =
            parallel::map(count.div_ceil(batch), |first| -> Result<Vec<(f32, f32)>, String> {
                // The last batch is filled up from the front.
                let indices: Vec<usize> = (0..batch).map(|i| (first * batch + i) % count).collect();
                let theirs = run(&self.tensors(&indices))?;
                if theirs.len() != outputs.len() {
                    return Err(format!(
                        "it gives {} outputs, not {}",
                        theirs.len(),
                        outputs.len()
                    ));
                }
                let mut worst = vec![(0_f32, 0_f32); outputs.len()];
                for (slot, &index) in indices.iter().enumerate() {
                    let values = evaluate::values(self.network, self.images.image(index));
                    for ((output, theirs), worst) in outputs.iter().zip(&theirs).zip(&mut worst) {
                        let logits = &values[output.value];
                        let shape = self.network.shape(output.value);
                        let ours = output.finished(logits, shape);
                        let ours: Vec<f32> = output.order.iter().map(|&at| ours[at]).collect();
                        if theirs.len() != batch * ours.len() {
                            let (found, expected) = (theirs.len(), batch * ours.len());
                            return Err(format!("it gives {found} values for {expected}"));
                        }
                        let theirs = &theirs[slot * ours.len()..][..ours.len()];
                        if output.head == Head::ArgMax
                            && nearly_equal(output, logits, shape, &ours, theirs)
                        {
                            continue;
                        }
                        let (off, peak) = difference(&ours, theirs);
                        *worst = (worst.0.max(off), worst.1.max(peak));
                    }
                }
                Ok(worst)
            });
        let mut worst = vec![(0_f32, 0_f32); outputs.len()];
        for result in runs {
            for (worst, (off, peak)) in worst.iter_mut().zip(result?) {
                *worst = (worst.0.max(off), worst.1.max(peak));
            }
        }
        let relative = worst.iter().map(|(off, peak)| off / peak.max(f32::MIN_POSITIVE));
        Ok(relative.fold(0_f32, f32::max))
    }

    /// The file's inputs for some images.
    pub fn tensors(&self, indices: &[usize]) -> Vec<Tensor> {
        let parts = self.network.inputs();
        let tensor = |((input, part), pixels): ((&Input, SampleInput), &PixelScale)| {
            let PixelScale { divisor, mean, deviation } = pixels;
            let scale = |(index, &pixel): (usize, &u8)| {
                let channel = index % part.shape.channels;
                (f32::from(pixel) / divisor - mean.at(channel)) / deviation.at(channel)
            };
            let image = |&index: &usize| {
                part.of(self.images.image(index)).iter().enumerate().map(scale).collect()
            };
            input.tensor(&indices.iter().map(image).collect::<Vec<_>>())
        };
        self.inputs.iter().zip(parts).zip(self.pixels).map(tensor).collect()
    }
}

/// The largest difference of an output, and its largest value.
fn difference(ours: &[f32], theirs: &[f32]) -> (f32, f32) {
    let peak = ours.iter().fold(0_f32, |peak, x| peak.max(x.abs()));
    // A NaN must not pass for the smallest difference.
    let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    let off = off.fold(0_f32, |worst, x| if x.is_nan() { f32::INFINITY } else { worst.max(x) });
    (off, peak)
}

/// Two classes of the same logit, but for rounding: either may be the largest, of each pixel where it is
/// taken there.
fn nearly_equal(
    output: &Output,
    logits: &[f32],
    shape: Shape,
    ours: &[f32],
    theirs: &[f32],
) -> bool {
    let size = if output.per_pixel { shape.channels } else { logits.len() };
    let peak = logits.iter().fold(0_f32, |peak, x| peak.max(x.abs()));
    let near = |((ours, theirs), &pixel): ((&f32, &f32), &usize)| {
        let Some(logits) = logits.chunks(size.max(1)).nth(pixel) else { return false };
        match (logits.get(*ours as usize), logits.get(*theirs as usize)) {
            (Some(a), Some(b)) => (a - b).abs() <= READING_TOLERANCE * peak,
            _ => false,
        }
    };
    ours.iter().zip(theirs).zip(&output.order).all(near)
}

/// The values `outputs` of the file's own nodes.
pub(crate) fn interpret(
    file: &File,
    inputs: &[Input],
    outputs: &[&str],
    tensors: &[Tensor],
) -> Result<Vec<Vec<f32>>, String> {
    let names = inputs.iter().map(|input| input.name.clone());
    let inputs = names.zip(tensors.iter().cloned()).collect();
    let results = interpreter::run(&file.graph, file.opset, inputs, outputs)?;
    let floats = |tensor: Tensor| match tensor.values {
        Values::Float(values) => values,
        Values::Int(values) => values.iter().map(|&value| value as f32).collect(),
    };
    Ok(results.into_iter().map(floats).collect())
}
