//! What can fail after the training is tried before it: export, conversion, the runtimes' reading of
//! the files.

use anyhow::{Context, Result, ensure};
use converter::{Converter, prove};

use super::Job;
use crate::learn::backend::Backend;
use crate::learn::export;
use crate::learn::network::{self, Network};
use crate::learn::training::exported_predictions;
use inkling_data::Sets;

/// Images that go through the files of the untrained network.
const IMAGES: usize = 4;

impl Job {
    /// Takes the untrained network through all steps that come behind the training.
    ///
    /// # Errors
    ///
    /// Names the network and the step: no integers for one of its layers, epochs with integers
    /// that are not possible, a runtime that cannot run the files.
    pub(super) fn rehearse(&self, network: &Network, backend: &Backend, sets: &Sets) -> Result<()> {
        let named = |what: &str| format!("network {}: {what}", self.source);
        // Not as batch norm starts, with a mean and a shift of 0, which would fold into anything.
        let parameters: Vec<f32> =
            network.initial_parameters(self.seed).iter().map(|value| value + 0.0625).collect();
        let float_onnx = export::float_onnx(network, &parameters, None);
        let converter = || Converter::new(&self.name, &float_onnx).bits(self.bits(network));
        let lowered =
            converter().lower().with_context(|| named("the converter has no integers for it"))?;
        if self.recipe.with_integers().is_some() {
            network::read(&self.name, &lowered)
                .with_context(|| named("epochs with integers are not possible"))?;
        }
        let count = IMAGES.min(sets.training.len());
        let images = sets.images.subset(&sets.training[..count]);
        exported_predictions(backend, &float_onnx, &images)
            .with_context(|| named("the file that it would be exported to does not run"))?;
        // Integers that these parameters have none for say nothing about those that are learned.
        let Ok(conversion) = converter().convert(&images) else {
            return Ok(());
        };
        let int8_onnx = conversion.int8_onnx();
        let agreement = prove::against_tract(&conversion.network, &int8_onnx, &images)
            .with_context(|| named("its integers do not run in tract"))?;
        ensure!(agreement.mismatches == 0, named("its integers are not tract's"));
        backend
            .session(&int8_onnx)
            .map(|_| ())
            .with_context(|| named("its integers cannot be loaded by the backend"))
    }
}
