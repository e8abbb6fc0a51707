//! What is fuzzed.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::LazyLock;

use converter::emit::blob::Aligned;
use converter::prove::{Proof, ProofError, ReadingError};
use converter::record::ModelRecord;
use converter::{Converter, read};
use fastrand::Rng;
use firmware_core::blob::{Layout, Model as BlobModel, crc32};
use inkling_data::read::{Options, idx, open, read_picture};
use inkling_protocol::{
    FrameReader, Packed, Reply, Request, decode, encode, encoded_len, packed_len, request_len,
};
use sha2::{Digest, Sha256};
use trainer::ask::model::Model;
use trainer::learn::network::{Description, PRESETS};
use trainer::learn::recipe::Recipe;
use trainer::learn::training::{CHECKPOINT_MAGIC, Checkpoint, Identity};
use trainer::line::sweep::Plan;

use super::{Target, mutate};
use crate::kinds::{self, CLASSES, SIDE};
use crate::{random_images, scratch, structures};

/// One of each.
pub fn all() -> Vec<Box<dyn Target>> {
    vec![
        Box::new(Onnx),
        Box::new(Structure),
        Box::new(Table::new()),
        Box::new(Idx::new()),
        Box::new(Pictures::new()),
        Box::new(Toml),
        Box::new(Checkpoints::new()),
        Box::new(Folder::new()),
        Box::new(Frames),
        Box::new(Blobs),
    ]
}

/// A blob of every structure.
static BLOBS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let images = random_images(6, 4, SIDE, SIDE, CLASSES);
    let of = |structure| {
        let onnx = structures::network(structure, 1, 17);
        let conversion = Converter::new("net", &onnx).convert(&images).expect("it converts");
        conversion.blob(Layout::PORTABLE).expect("it has a blob")
    };
    structures::ALL.into_iter().map(of).collect()
});

/// Blobs with a right checksum: they are refused, or run within what is theirs.
struct Blobs;

impl Target for Blobs {
    fn name(&self) -> &'static str {
        "blobs"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        BLOBS.clone()
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        let mut blob = input.to_vec();
        // As it is, and with length and checksum that fit: else little would be reached.
        for _ in 0..2 {
            let aligned = Aligned::new(&blob);
            if let Ok(model) = BlobModel::load(aligned.bytes())
                && model.macs() < 1 << 22
                && model.arena_words() < 1 << 20
            {
                let mut arena = vec![0; model.arena_words()];
                let input = vec![7; model.input().len()];
                model.infer(&input, &mut arena, &mut ()).map_err(|error| error.to_string())?;
            }
            blob.truncate(blob.len() / 4 * 4);
            let Some(end) = blob.len().checked_sub(4).filter(|end| *end >= 20) else { break };
            let length = (blob.len() as u32).to_le_bytes();
            blob[16..20].copy_from_slice(&length);
            let crc = crc32(&blob[..end]).to_le_bytes();
            blob[end..].copy_from_slice(&crc);
        }
        Ok(())
    }
}

fn small_kinds() -> Vec<Vec<u8>> {
    kinds::all().into_iter().map(|kind| kind.onnx).filter(|onnx| onnx.len() < 1 << 14).collect()
}

/// Bytes of ONNX files: they are read or refused.
struct Onnx;

impl Target for Onnx {
    fn name(&self) -> &'static str {
        "onnx-bytes"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        small_kinds()
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        let _ = Converter::new("fuzz", input).lower();
        let _ = read::input_dims(input);
        Ok(())
    }
}

/// ONNX models of changed structure: what is converted is read right and exact.
struct Structure;

impl Target for Structure {
    fn name(&self) -> &'static str {
        "onnx-structure"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        small_kinds()
    }

    fn mutate(&self, rng: &mut Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
        mutate::model(rng, input, other)
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        let Ok(network) = Converter::new("fuzz", input).lower() else { return Ok(()) };
        let size = network.input;
        if size.channels != 1 || size.size() > 4096 {
            return Ok(());
        }
        let images = random_images(1, 4, size.height, size.width, 2);
        let Ok(conversion) = Converter::new("fuzz", input).convert(&images) else { return Ok(()) };
        match Proof::of(&conversion, &images, &images) {
            Ok(_) | Err(ProofError::Reading(ReadingError::Unchecked { .. })) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// CSV tables.
struct Table {
    file: PathBuf,
}

impl Table {
    fn new() -> Self {
        Self { file: scratch("fuzz-table").join("digits.csv") }
    }
}

impl Target for Table {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let row = |label: &str, first: usize| {
            let pixels = (0..64).map(|i| ((first * 7 + i * 13) % 256).to_string());
            [label.to_string()].into_iter().chain(pixels).collect::<Vec<_>>().join(",")
        };
        let rows = |labels: [&str; 2]| -> String {
            (0..8).map(|i| row(labels[i % 2], i) + "\n").collect()
        };
        let header: Vec<String> =
            ["label".to_string()].into_iter().chain((0..64).map(|i| format!("p{i}"))).collect();
        vec![
            rows(["0", "1"]).into_bytes(),
            rows(["cat", "dog"]).into_bytes(),
            (header.join(",") + "\n" + &rows(["00", "01"])).into_bytes(),
        ]
    }

    fn words(&self) -> &'static [&'static [u8]] {
        &[b",", b"\n", b"\"", b"\r\n", b"nan", b"-", b"1e308", b";", b"\xef\xbb\xbf", b"0.5"]
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        fs::write(&self.file, input).map_err(|error| error.to_string())?;
        let _ = open(&self.file, &Options::default());
        Ok(())
    }
}

/// IDX files of images, beside good labels.
struct Idx {
    folder: PathBuf,
}

impl Idx {
    fn new() -> Self {
        let folder = scratch("fuzz-idx");
        let labels = idx::encode_bytes(&[4], &[0, 1, 0, 1]);
        fs::write(folder.join("labels"), labels).expect("labels are written");
        Self { folder }
    }
}

impl Target for Idx {
    fn name(&self) -> &'static str {
        "idx"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let pixels: Vec<u8> = (0..4 * 64).map(|i| (i * 31 % 256) as u8).collect();
        vec![idx::encode_bytes(&[4, 8, 8], &pixels), idx::encode_bytes(&[4, 4, 4, 4], &pixels)]
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        let images = self.folder.join("images");
        fs::write(&images, input).map_err(|error| error.to_string())?;
        let _ =
            idx::read_files(&images, &self.folder.join("labels"), &inkling_data::Room::default());
        Ok(())
    }
}

/// PNG, JPEG and BMP files.
struct Pictures {
    file: PathBuf,
}

impl Pictures {
    fn new() -> Self {
        Self { file: scratch("fuzz-picture").join("picture.png") }
    }
}

impl Target for Pictures {
    fn name(&self) -> &'static str {
        "pictures"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let picture =
            image::GrayImage::from_fn(24, 20, |x, y| image::Luma([(x * 9 + y * 5) as u8]));
        let formats = [image::ImageFormat::Png, image::ImageFormat::Jpeg, image::ImageFormat::Bmp];
        let encode = |format| {
            let mut bytes = Vec::new();
            let written = picture.write_to(&mut Cursor::new(&mut bytes), format);
            written.expect("a picture can be written");
            bytes
        };
        formats.map(encode).into()
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        fs::write(&self.file, input).map_err(|error| error.to_string())?;
        let _ = read_picture(&self.file);
        Ok(())
    }
}

/// Networks, recipes and sweeps.
struct Toml;

impl Target for Toml {
    fn name(&self) -> &'static str {
        "toml"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let presets = PRESETS.iter().map(|(_, text)| text.as_bytes().to_vec());
        let recipe = include_bytes!("../../../trainer/recipes/default.toml").to_vec();
        let sweep = b"trials = 4\n[ranges]\nepochs = [1, 2]\n".to_vec();
        presets.chain([recipe, sweep]).collect()
    }

    fn words(&self) -> &'static [&'static [u8]] {
        &[
            b"[[layer]]\n",
            b"kind = \"conv2d\"\n",
            b"kind = \"concat\"\ninputs = [\"image\", \"image\"]\n",
            b"kernel = 3\n",
            b"padding = 2\n",
            b"stride = [1, 2]\n",
            b"groups = 4\n",
            b"outputs = 9\n",
            b"nan",
            b"inf",
        ]
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(input);
        if let Ok(description) = Description::parse("fuzz", &text) {
            let _ = description.build([1, SIDE, SIDE], CLASSES);
            let _ = description.build([3, 28, 28], 10);
        }
        let _ = Recipe::parse(&text);
        let _ = Plan::parse(&text);
        Ok(())
    }
}

/// Checkpoints whose checksum fits whatever they hold.
struct Checkpoints {
    file: PathBuf,
}

impl Checkpoints {
    fn new() -> Self {
        Self { file: scratch("fuzz-checkpoint").join("checkpoint.bin") }
    }

    fn identity() -> Identity {
        Identity {
            network: "simple".into(),
            recipe: "epochs = 3".into(),
            seed: 1,
            dataset: "00".into(),
            backend: "tract".into(),
            threads: 1,
        }
    }
}

impl Target for Checkpoints {
    fn name(&self) -> &'static str {
        "checkpoints"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        // Good from the front: an identity, and lists of which some are empty.
        let identity = Self::identity();
        let mut body = Vec::new();
        for text in [&identity.network, &identity.recipe] {
            body.push(text.len() as u8);
            body.extend(text.as_bytes());
        }
        body.push(identity.seed as u8);
        for text in [&identity.dataset, &identity.backend] {
            body.push(text.len() as u8);
            body.extend(text.as_bytes());
        }
        body.push(identity.threads as u8);
        body.extend([0; 64]);
        vec![body]
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        let mut bytes = CHECKPOINT_MAGIC.to_vec();
        bytes.extend(Sha256::digest(input));
        bytes.extend(input);
        fs::write(&self.file, bytes).map_err(|error| error.to_string())?;
        let _ = Checkpoint::read(&self.file, &Self::identity());
        Ok(())
    }
}

/// A model's folder with one changed file: what opens answers as it did.
struct Folder {
    folder: PathBuf,
    good: [(&'static str, Vec<u8>); 3],
    answers: Vec<Vec<i32>>,
}

impl Folder {
    fn new() -> Self {
        let folder = scratch("fuzz-model");
        let images = Self::images();
        let conversion = Converter::new("fuzz", &kinds::plain()).convert(&images);
        let conversion = conversion.expect("the plain network converts");
        conversion.write(&folder, &images, "").expect("a model is written");
        let good = ["model.json", "float.onnx", "int8.onnx"]
            .map(|name| (name, fs::read(folder.join(name)).expect("is there")));
        let answers = Model::open(&folder).expect("opens").int8_logits(&images).expect("answers");
        Self { folder, good, answers }
    }

    fn images() -> inkling_data::Dataset {
        random_images(2, 12, SIDE, SIDE, CLASSES)
    }
}

impl Target for Folder {
    fn name(&self) -> &'static str {
        "model-folders"
    }

    /// The first byte says which file the rest is.
    fn corpus(&self) -> Vec<Vec<u8>> {
        let one =
            |(index, (_, bytes)): (usize, &(&str, Vec<u8>))| [&[index as u8], &bytes[..]].concat();
        self.good.iter().enumerate().map(one).collect()
    }

    fn words(&self) -> &'static [&'static [u8]] {
        &[b"\"shape\": [", b"1099511627776", b"null", b"-1", b"1e400", b"{}", b"[]", b"\"u8\""]
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        let Some((&which, bytes)) = input.split_first() else { return Ok(()) };
        let (name, good) = &self.good[usize::from(which) % 3];
        let path = self.folder.join(name);
        fs::write(&path, bytes).map_err(|error| error.to_string())?;
        let _ = ModelRecord::of_folder(&self.folder);
        let answers =
            Model::open(&self.folder).ok().map(|model| model.int8_logits(&Self::images()));
        fs::write(&path, good).map_err(|error| error.to_string())?;
        match answers {
            // A changed weight of float.onnx comes with another checksum.
            Some(Ok(answers)) if answers != self.answers => {
                Err(format!("{name} was changed, and other answers are given"))
            }
            _ => Ok(()),
        }
    }
}

/// The bytes that a serial line brings.
struct Frames;

impl Target for Frames {
    fn name(&self) -> &'static str {
        "protocol"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let image: Vec<u8> = (0..64).map(|i| (i * 37 % 256) as u8).collect();
        let mut packed = vec![0; packed_len(image.len())];
        let image = Packed::pack(&image, &mut packed).expect("the buffer is long enough");
        let line = |request: &Request| {
            let mut scratch = vec![0; request_len(64)];
            let mut buffer = vec![0; encoded_len(scratch.len())];
            let line = encode(3, request, &mut scratch, &mut buffer);
            line.expect("the buffers are long enough").to_vec()
        };
        vec![line(&Request::Hello), line(&Request::Infer { image })]
    }

    fn run(&mut self, input: &[u8]) -> Result<(), String> {
        let mut reader = FrameReader::<256>::new();
        for &byte in input {
            if let Some(Ok((_, message))) = reader.feed(byte) {
                take(message);
            }
        }
        let _ = decode(input);
        take(input);
        Ok(())
    }
}

/// Takes a reply apart, as the host does.
fn take(message: &[u8]) {
    if let Some(Reply::Inference(inference)) = Reply::from_bytes(message) {
        let _ = inference.logits.iter().count();
    }
}
