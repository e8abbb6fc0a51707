//! What a conversion gives, and the files of its model folder.

use std::io;
use std::path::Path;

use firmware_core::blob::Layout;
use inkling_data::Dataset;
use inkling_support::digest::sha256;
use inkling_support::files::write_set;
use inkling_support::markdown::escape;
use sha2::{Digest, Sha256};

use crate::arena::{self, ArenaPlan};
use crate::convert::unknown;
use crate::emit::blob::BlobEmitError;
use crate::emit::report::{self, Report};
use crate::emit::{Origin, blob, c, golden, int8_onnx, rust};
use crate::lower::Network;
use crate::passes::PixelScale;
use crate::quantized::QuantizedNetwork;
use crate::record::unknown::decimal;
use crate::record::{
    self, ModelRecord, RecordError, SourceRecord, TestedRecord, UNKNOWN, UnknownRecord,
};

/// The model card.
const CARD: &str = "MODEL_CARD.md";

/// A converted model with all that is written of it.
pub struct Conversion {
    /// The float layers, as the integers approximate them.
    pub float: Network,
    pub network: QuantizedNetwork,
    pub arena: ArenaPlan,
    pub report: Report,
    pub origin: Origin,
    /// What a user of the model must know.
    pub record: ModelRecord,
    /// `float.onnx`: the file that was converted, with its record.
    pub source: Vec<u8>,
    /// How its training scaled the bytes of each input.
    pub pixels: Vec<PixelScale>,
    /// What a person should know of how the file was understood; the model card says it.
    pub notes: Vec<String>,
    /// How it did on a test set; `model.json` says it.
    pub tested: Option<TestedRecord>,
}

impl Conversion {
    /// The same with a rule for "none of these" and its threshold in units of the logits. The record
    /// of `float.onnx` has them too, and with it the file another hash.
    ///
    /// # Errors
    ///
    /// A rule that does not fit the network; a record of `float.onnx` that cannot be read.
    pub fn with_unknown(
        mut self,
        rule: UnknownRecord,
        threshold: i32,
    ) -> Result<Self, RecordError> {
        let exponent = self.network.format(self.network.layers.len()).exponent();
        let real = decimal(f64::from(threshold) * 2_f64.powi(-exponent));
        let rule = UnknownRecord {
            refused: rule.refused.map(decimal),
            strange_refused: rule.strange_refused.map(decimal),
            area: rule.area.map(decimal),
            ..rule
        };
        let mut of_float =
            ModelRecord::of_onnx(&self.source)?.unwrap_or_else(|| self.record.clone());
        for record in [&mut of_float, &mut self.record] {
            record.unknown = Some(rule.clone());
            record.thresholds.insert(UNKNOWN.into(), real);
        }
        self.source = record::attach(&self.source, &of_float);
        self.origin.source_sha256 = Sha256::digest(&self.source).into();
        self.origin.unknown = unknown(&self.record, &self.network)?;
        let sha256 = self.origin.sha256_hex();
        self.record.source = Some(SourceRecord { file: self.origin.source.clone(), sha256 });
        Ok(self)
    }

    /// The Rust module: statics and `infer`.
    pub fn model_rs(&self) -> String {
        rust::emit(&self.network, &self.arena, &self.origin)
    }

    /// The integer network as ONNX.
    pub fn int8_onnx(&self) -> Vec<u8> {
        int8_onnx::emit(&self.network, &self.record)
    }

    /// The model as data, for the kernels that take `layout`.
    ///
    /// # Errors
    ///
    /// What has no form in a blob; names the layer.
    pub fn blob(&self, layout: Layout) -> Result<Vec<u8>, BlobEmitError> {
        // Blobs have no rows.
        blob::emit(&self.network, &arena::plan(&self.network), &self.origin, layout)
    }

    /// The headers for C: the model's, and one with golden images, picked from `images`.
    pub fn c_headers(&self, images: &Dataset) -> [(String, String); 2] {
        let samples = golden::samples(&self.network, images);
        c::headers(&self.network, &self.arena, &samples, &self.origin)
    }

    /// The Rust module of golden images, picked from `images`.
    pub fn golden_rs(&self, images: &Dataset) -> String {
        golden::emit(&self.network, &golden::samples(&self.network, images), &self.origin)
    }

    /// The report as Markdown.
    pub fn report_markdown(&self) -> String {
        report::markdown(&self.network, &self.report, &self.origin)
    }

    /// Writes float.onnx, int8.onnx, model.rs, golden.rs, MODEL_CARD.md and model.json into a
    /// folder, all of them or none. `about` is put into the card above the report.
    ///
    /// # Errors
    ///
    /// The file system's, with the path.
    pub fn write(&self, folder: &Path, golden: &Dataset, about: &str) -> io::Result<()> {
        self.write_with(folder, golden, about, Vec::new())
    }

    /// Writes the same and the files `beside`, each a name and its contents.
    ///
    /// # Errors
    ///
    /// As [`Conversion::write`].
    pub fn write_with(
        &self,
        folder: &Path,
        golden: &Dataset,
        about: &str,
        beside: Vec<(&str, Vec<u8>)>,
    ) -> io::Result<()> {
        let mut card = format!("# Model `{}`\n\n", self.origin.name);
        if !self.record.warnings.is_empty() {
            let items = self.record.warnings.iter().map(|text| format!("- {}\n", escape(text)));
            card.push_str(&format!("## Warnings\n\n{}\n", items.collect::<String>()));
        }
        if let (Some(rule), Some(unknown)) = (&self.record.unknown, &self.origin.unknown) {
            card.push_str(&format!("{}\n\n", rule.sentence(unknown.threshold)));
        }
        card.push_str(&format!("{about}\n## Cost and exactness\n\n{}", self.report_markdown()));
        let mut files = beside;
        files.extend([
            ("float.onnx", self.source.clone()),
            ("int8.onnx", self.int8_onnx()),
            ("model.rs", self.model_rs().into_bytes()),
            ("golden.rs", self.golden_rs(golden).into_bytes()),
            (CARD, card.into_bytes()),
        ]);
        // What is for people may be edited.
        let hashed = files.iter().filter(|(file, _)| *file != CARD);
        let hashes = hashed.map(|(file, bytes)| (file.to_string(), sha256([&bytes[..]])));
        let record =
            ModelRecord { files: hashes.collect(), tested: self.tested, ..self.record.clone() };
        // Last, because it says which files belong together.
        files.push((record::FILE, record.to_json().into_bytes()));
        write_set(folder, &files)
    }
}
