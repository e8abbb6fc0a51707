//! Imported models beside the runtime that they come from.

use std::collections::BTreeSet;

use converter::imported::ImportedModel;
use converter::reference;

use crate::generated;

/// A model with samples and what its own runtime computes for them.
pub struct Case {
    pub name: String,
    pub model: ImportedModel,
    /// One sample behind the other.
    pub inputs: Vec<u8>,
    /// One byte of each output.
    pub expected: Vec<u8>,
}

impl Case {
    /// # Panics
    ///
    /// When the outputs are too much alike to show anything.
    pub fn new(name: &str, model: ImportedModel, inputs: Vec<u8>, expected: Vec<u8>) -> Self {
        let distinct: BTreeSet<&u8> = expected.iter().collect();
        let enough = (expected.len() / 8).min(20);
        assert!(distinct.len() >= enough, "{name}: all outputs are among {distinct:?}");
        Self { name: name.into(), model, inputs, expected }
    }

    /// All outputs of the host reference, one byte each.
    pub fn host(&self) -> Vec<u8> {
        let network = &self.model.network;
        self.inputs
            .chunks(network.input.size())
            .flat_map(|sample| reference::outputs(network, sample))
            .map(|value| value as u8)
            .collect()
    }

    /// Compares all outputs of `what`.
    ///
    /// # Panics
    ///
    /// When one differs.
    pub fn check(&self, what: &str, ours: &[u8]) {
        assert_eq!(ours.len(), self.expected.len(), "{what}: {}", self.name);
        let different = ours.iter().zip(&self.expected).filter(|(a, b)| a != b).count();
        println!("{}: {} outputs of {what}, {different} differ", self.name, ours.len());
        assert_eq!(different, 0, "{what}: of {} outputs of {}", ours.len(), self.name);
    }
}

/// Compares the host reference and the generated code, built in the scratch folder called `folder`,
/// with what the models' own runtime computes.
///
/// # Panics
///
/// When an output differs.
pub fn compare(folder: &str, cases: &[Case]) {
    for case in cases {
        case.check("the host reference", &case.host());
    }
    let programs: Vec<generated::Program> = cases
        .iter()
        .map(|case| generated::Program {
            module: &case.name,
            code: case.model.model_rs(),
            inputs: case.inputs.clone(),
        })
        .collect();
    for (case, ours) in cases.iter().zip(generated::outputs(folder, &programs)) {
        case.check("the generated code", &ours);
    }
}
