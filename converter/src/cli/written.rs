//! What a conversion says when it is done, for people and for programs.

use std::path::Path;

use converter::inspect::Inspection;
use inkling_support::console;
use serde::Serialize;

/// A finished conversion.
#[derive(Serialize)]
pub struct Written<'a> {
    pub name: &'a str,
    pub folder: &'a Path,
    pub files: &'a [&'a str],
    /// None where nothing was compared: what others quantized is taken as it is.
    pub accuracy: Option<Accuracy>,
    pub notes: &'a [String],
    pub warnings: &'a [String],
    pub model: Inspection,
}

/// How float network and integers do on the same images.
#[derive(Serialize)]
pub struct Accuracy {
    pub images: usize,
    /// Without labels the float network's answers count as right.
    pub labelled: bool,
    pub float_percent: f64,
    pub int8_percent: f64,
}

impl Written<'_> {
    /// Prints JSON, or `report` and what was written; warnings are told beside the report.
    pub fn tell(&self, json: bool, report: impl FnOnce() -> String) {
        if json {
            let mut text = serde_json::to_string_pretty(self).expect("numbers and texts");
            text.push('\n');
            return console::print(&text);
        }
        let (files, folder) = (self.files.join(", "), self.folder.display());
        console::print(&format!("{}\nWritten: {files} in {folder}\n", report()));
        for warning in self.warnings {
            console::note(format_args!("warning: {warning}"));
        }
    }
}
