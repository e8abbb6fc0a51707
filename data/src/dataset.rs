//! Labelled samples: what the trainer learns from, and what the converter calibrates and verifies on.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inkling_support::files::WriteError;

use crate::Source;
use crate::read::idx;
use crate::storage::{Room, Sink, Storage};

/// The largest height and the largest width of a sample.
pub const MAX_SIDE: usize = 512;

/// The most values of one place of a sample: colours of a pixel, sensors at one time, a vector.
pub const MAX_CHANNELS: usize = 1024;

/// The most values of a sample: a picture of [`MAX_SIDE`] with colours and opacity.
pub const MAX_VALUES: usize = MAX_SIDE * MAX_SIDE * 4;

/// The largest number of classes.
pub const MAX_CLASSES: usize = 1000;

/// Which of a data set's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    Train,
    /// Given with the data; few data sets have it.
    Validation,
    /// Read once, at the end: it chooses nothing.
    Test,
}

impl Split {
    /// The file names of MNIST, which every data set in IDX form uses, without `.gz`.
    pub fn file_names(self) -> (&'static str, &'static str) {
        match self {
            Split::Train => ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
            Split::Validation => ("validation-images-idx3-ubyte", "validation-labels-idx1-ubyte"),
            Split::Test => ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        }
    }

    /// The files of images and of labels in a folder, raw or with `.gz`, whichever is read.
    pub fn files(self, dir: &Path) -> (PathBuf, PathBuf) {
        let (images, labels) = self.file_names();
        (idx::place(dir, images), idx::place(dir, labels))
    }
}

/// One of several inputs of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedInput {
    pub name: String,
    /// Height, width and channels.
    pub shape: [usize; 3],
}

impl NamedInput {
    /// Values of the input.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Samples of one shape with one label each.
///
/// A sample is a tensor of bytes, `[height][width][channels]`: a grey picture has one channel, a
/// colour one three; a time series is one row with its sensors as channels, a vector one pixel. A
/// sample of several inputs is one pixel that has them one after another as its channels.
///
/// The samples lie in storage that subsets share, so a subset costs a few bytes for each sample.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Height, width and channels of every sample.
    pub shape: [usize; 3],
    /// One per sample, an index into `names`.
    pub labels: Vec<u16>,
    /// The names of the classes, at least 2.
    pub names: Vec<String>,
    /// What a sample consists of, where it is several inputs, in their order; else nothing.
    pub inputs: Arc<Vec<NamedInput>>,
    /// All samples of the storage, one after the other.
    storage: Arc<Storage>,
    /// Where each sample lies in the storage, in samples.
    places: Vec<u32>,
    /// Where each sample of the storage comes from; empty if nobody knows.
    sources: Arc<Vec<Source>>,
}

impl Dataset {
    /// Samples of `shape` (height, width, channels), one after the other in `samples`, with a label
    /// below the number of `names` each.
    ///
    /// # Panics
    ///
    /// If the number of bytes is not that of as many samples as there are labels.
    pub fn new(shape: [usize; 3], samples: Vec<u8>, labels: Vec<u16>, names: Vec<String>) -> Self {
        Self::stored_in(samples.into(), shape, labels, names)
    }

    /// [`Dataset::new`] of samples that lie in a storage.
    ///
    /// # Panics
    ///
    /// As [`Dataset::new`].
    pub fn stored_in(
        samples: Storage,
        shape: [usize; 3],
        labels: Vec<u16>,
        names: Vec<String>,
    ) -> Self {
        let size: usize = shape.iter().product();
        assert_eq!(samples.len(), size * labels.len(), "bytes of {} samples", labels.len());
        let places = (0..labels.len() as u32).collect();
        let stored = Stored { samples: Arc::new(samples), sources: Arc::default() };
        Self::of(shape, stored, places, labels, names)
    }

    /// Samples at `places` of what is stored, with a label each.
    pub(crate) fn of(
        shape: [usize; 3],
        stored: Stored,
        places: Vec<u32>,
        labels: Vec<u16>,
        names: Vec<String>,
    ) -> Self {
        let Stored { samples: storage, sources } = stored;
        Self { shape, labels, names, inputs: Arc::default(), storage, places, sources }
    }

    /// The same samples, known to consist of `inputs`.
    ///
    /// # Panics
    ///
    /// If they have not as many values as a sample.
    pub fn with_inputs(mut self, inputs: Vec<NamedInput>) -> Self {
        let size: usize = inputs.iter().map(NamedInput::size).sum();
        assert_eq!(self.shape, [1, 1, size], "values of the inputs");
        self.inputs = Arc::new(inputs);
        self
    }

    /// The inputs of a sample with the places of their values; the only one, where there are not
    /// several, has no name.
    pub fn parts(&self) -> Vec<(&str, [usize; 3], Range<usize>)> {
        if self.inputs.is_empty() {
            return vec![("", self.shape, 0..self.image_size())];
        }
        let mut end = 0;
        let part = |input: &'_ NamedInput| {
            let first = end;
            end += input.size();
            first..end
        };
        let places: Vec<Range<usize>> = self.inputs.iter().map(part).collect();
        let inputs = self.inputs.iter().zip(places);
        inputs.map(|(input, places)| (&input.name[..], input.shape, places)).collect()
    }

    /// What is stored, and where in it the samples lie.
    pub(crate) fn stored(&self) -> (Stored, &[u32]) {
        let (samples, sources) = (Arc::clone(&self.storage), Arc::clone(&self.sources));
        (Stored { samples, sources }, &self.places)
    }

    /// The same samples, known to come from `sources`, one for each.
    pub fn with_sources(mut self, sources: Vec<Source>) -> Self {
        assert_eq!(sources.len(), self.len(), "sources of the samples");
        // Sources are those of the storage, whose order a subset does not have.
        let mut all = vec![Source::default(); self.storage.len() / self.image_size().max(1)];
        self.places.iter().zip(sources).for_each(|(&place, source)| all[place as usize] = source);
        self.sources = Arc::new(all);
        self
    }

    /// The same labels, names and sources with other samples, one after the other.
    pub fn with_samples(&self, shape: [usize; 3], samples: Vec<u8>) -> Self {
        self.with_storage(shape, samples.into())
    }

    fn with_storage(&self, shape: [usize; 3], samples: Storage) -> Self {
        let mut all = Self::stored_in(samples, shape, self.labels.clone(), self.names.clone());
        if shape == self.shape {
            all.inputs = Arc::clone(&self.inputs);
        }
        match self.sources.is_empty() {
            true => all,
            false => {
                let source = |&place: &u32| self.sources[place as usize].clone();
                all.with_sources(self.places.iter().map(source).collect())
            }
        }
    }

    /// The same labels, names and sources with samples of `shape` that `work` makes of each, appending it
    /// to what it is given.
    ///
    /// # Errors
    ///
    /// The file system's, where they do not fit into memory.
    pub fn made_of_each(
        &self,
        shape: [usize; 3],
        room: &Room,
        mut work: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Result<Self, WriteError> {
        let (mut sink, mut made) = (Sink::new(room), Vec::new());
        for image in self.images() {
            made.clear();
            work(image, &mut made);
            sink.push(&made)?;
        }
        Ok(self.with_storage(shape, sink.finish()?))
    }

    /// Reads `train-images-idx3-ubyte[.gz]` and its labels, or their `t10k` twins, from a folder.
    ///
    /// # Errors
    ///
    /// Names the file and what is wrong with it: missing, truncated or with bytes left over, a
    /// wrong magic number, no images, an image over [`MAX_SIDE`], counts that disagree, a label
    /// out of range.
    pub fn load(dir: &Path, split: Split) -> Result<Self, DatasetError> {
        idx::read_pair(dir, split)
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub fn height(&self) -> usize {
        self.shape[0]
    }

    pub fn width(&self) -> usize {
        self.shape[1]
    }

    pub fn channels(&self) -> usize {
        self.shape[2]
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.names.len()
    }

    /// Values of one sample.
    pub fn image_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Sample `index`, `[height][width][channels]`.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.image_size();
        let start = self.places[index] as usize * size;
        &self.storage[start..start + size]
    }

    /// All samples, in order.
    pub fn images(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.image(index))
    }

    /// The samples of `range`, one after the other.
    pub fn batch(&self, range: Range<usize>) -> Vec<u8> {
        let mut samples = Vec::with_capacity(range.len() * self.image_size());
        range.for_each(|index| samples.extend_from_slice(self.image(index)));
        samples
    }

    /// The samples of `range` as `[sample][channels][height][width]`, the order of ONNX.
    pub fn planar_batch(&self, range: Range<usize>) -> Vec<u8> {
        if self.channels() == 1 {
            return self.batch(range);
        }
        let mut samples = Vec::with_capacity(range.len() * self.image_size());
        for index in range {
            let image = self.image(index);
            samples.extend(planar_order(self.shape).map(|place| image[place]));
        }
        samples
    }

    /// Where sample `index` comes from, if it is known.
    pub fn source(&self, index: usize) -> Option<&Source> {
        self.sources.get(self.places[index] as usize)
    }

    /// A data set of the samples at `indices`, in that order; the classes stay.
    pub fn subset(&self, indices: &[usize]) -> Dataset {
        Dataset {
            shape: self.shape,
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            names: self.names.clone(),
            inputs: Arc::clone(&self.inputs),
            storage: Arc::clone(&self.storage),
            places: indices.iter().map(|&index| self.places[index]).collect(),
            sources: Arc::clone(&self.sources),
        }
    }

    /// At most `count` samples, evenly spaced.
    pub fn spaced(&self, count: usize) -> Dataset {
        let count = count.min(self.len());
        let indices: Vec<usize> = (0..count).map(|i| i * self.len() / count.max(1)).collect();
        self.subset(&indices)
    }

    /// The samples of `self`, then those of `other`, which has the same shape and classes.
    ///
    /// # Errors
    ///
    /// The file system's, where they do not fit into memory.
    pub fn joined(&self, other: &Dataset) -> Result<Dataset, WriteError> {
        let mut sink = Sink::new(&Room::default());
        self.images().chain(other.images()).try_for_each(|image| sink.push(image))?;
        let samples = sink.finish()?;
        let labels = [&self.labels[..], &other.labels].concat();
        let mut all = Dataset::stored_in(samples, self.shape, labels, self.names.clone());
        all.inputs = Arc::clone(&self.inputs);
        let sources = [self, other].map(|set| (0..set.len()).map_while(|i| set.source(i).cloned()));
        let sources: Vec<Source> = sources.into_iter().flatten().collect();
        Ok(if sources.len() == all.len() { all.with_sources(sources) } else { all })
    }

    /// Fails unless the other half of the data set, read from the files `images` and `labels`, has
    /// samples of the same shape and no label that this half lacks.
    pub fn check_twin(
        &self,
        twin: &Dataset,
        images: &Path,
        labels: &Path,
    ) -> Result<(), DatasetError> {
        if self.shape != twin.shape {
            return Err(DatasetError::Disagree {
                path: images.to_path_buf(),
                what: format!(
                    "training images are {} and test images {}; both must have one size",
                    shape_text(self.shape),
                    shape_text(twin.shape)
                ),
            });
        }
        if let Some(label) = twin.labels.iter().find(|&&label| usize::from(label) >= self.classes())
        {
            return Err(DatasetError::Disagree {
                path: labels.to_path_buf(),
                what: format!(
                    "the test set has label {label}, but the training set's labels end at {}",
                    self.classes() - 1
                ),
            });
        }
        Ok(())
    }
}

/// Samples and where each comes from, shared by the data sets that have some of them.
#[derive(Clone)]
pub(crate) struct Stored {
    pub samples: Arc<Storage>,
    /// One for each sample, or none.
    pub sources: Arc<Vec<Source>>,
}

impl PartialEq for Dataset {
    /// Equal samples with equal labels, wherever they lie or come from.
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape
            && self.inputs == other.inputs
            && self.labels == other.labels
            && self.names == other.names
            && self.images().eq(other.images())
    }
}

impl Eq for Dataset {}

/// For every value of a sample in the order channel, row, column, as ONNX has it, its place in a
/// sample `[height][width][channels]`.
pub fn planar_order([height, width, channels]: [usize; 3]) -> impl Iterator<Item = usize> {
    (0..channels)
        .flat_map(move |channel| (0..height * width).map(move |pixel| pixel * channels + channel))
}

/// What makes a shape of samples (height, width, channels) impossible, in words.
pub fn shape_problem([height, width, channels]: [usize; 3]) -> Option<String> {
    let text = shape_text([height, width, channels]);
    if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
        return Some(format!("images are {text}; sides from 1 to {MAX_SIDE} are supported"));
    }
    if !(1..=MAX_CHANNELS).contains(&channels) || height * width * channels > MAX_VALUES {
        return Some(format!(
            "samples are {text} (height×width×channels); up to {MAX_CHANNELS} channels and \
             {MAX_VALUES} values are supported"
        ));
    }
    None
}

/// A shape in words: `28×28`, or `64×48×3` where there is more than one channel.
pub fn shape_text([height, width, channels]: [usize; 3]) -> String {
    match channels {
        1 => format!("{height}×{width}"),
        _ => format!("{height}×{width}×{channels}"),
    }
}

/// Why a data set could not be read; each names the file or folder.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error(
        "{}: no {name} or {name}.gz here; a data set in this form is a folder with the four IDX files \
         (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, \
         t10k-labels-idx1-ubyte, each raw or .gz)", dir.display()
    )]
    Missing { dir: PathBuf, name: &'static str },
    #[error("{}: cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: {what}", path.display())]
    Malformed { path: PathBuf, what: String },
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{}: {what}", path.display())]
    Disagree { path: PathBuf, what: String },
}

#[cfg(test)]
mod tests {
    use super::{Dataset, planar_order};
    use crate::Source;
    use crate::read::labels;

    fn colours() -> Dataset {
        let samples = (0..3 * 2 * 2 * 3).collect();
        Dataset::new([2, 2, 3], samples, vec![0, 1, 0], labels::numbers(2))
    }

    #[test]
    fn planes_are_channel_by_channel() {
        assert_eq!(planar_order([1, 2, 3]).collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
        let planar = colours().subset(&[2]).planar_batch(0..1);
        assert_eq!(planar, [24, 27, 30, 33, 25, 28, 31, 34, 26, 29, 32, 35]);
    }

    #[test]
    fn a_subset_of_a_subset_keeps_samples_labels_and_sources() {
        let file = |name: &str| Source::file(name);
        let all = colours().with_sources(["a", "b", "c"].map(file).to_vec());
        let subset = all.subset(&[2, 1]).subset(&[1, 0]);
        assert_eq!(subset.labels, [1, 0]);
        assert_eq!(subset.image(0), all.image(1));
        assert_eq!(subset.source(1), Some(&file("c")));
        let other = subset.with_samples([1, 1, 1], vec![7, 8]);
        assert_eq!((other.image(1), other.source(1)), (&[8][..], Some(&file("c"))));
        let joined = other.joined(&other).expect("fits");
        assert_eq!((joined.len(), joined.source(2)), (4, Some(&file("b"))));
    }
}
