//! Rows instead of images: `--favour memory` keeps its budgets and computes the same.

use converter::{Favour, reference};
use tests::generated::{self, Program};
use tests::networks::REFERENCES;

/// Most bytes of arena and of the kernels' scratch.
const BUDGETS: [(&str, usize); 5] =
    [("mnist5", 3 << 10), ("ic", 18 << 10), ("kws", 7 << 10), ("vww", 22 << 10), ("ad", 768)];

#[test]
fn memory_is_within_its_budgets() {
    for (network, (name, budget)) in REFERENCES.iter().zip(BUDGETS) {
        assert_eq!(network.name, name);
        let [time, memory] = [Favour::Time, Favour::Memory].map(|f| network.convert_for(f).arena);
        let detail = memory.stream.as_ref().map(|plan| {
            format!("{:?} steps {} {:?} source {:?}", plan.schedule.layers, plan.schedule.steps.len(), plan.buffers, plan.schedule.source)
        });
        println!("{name}: {} -> {} {detail:?}", time.bytes, memory.bytes);
        assert!(memory.bytes <= budget, "{name}: {} bytes", memory.bytes);
    }
}

/// The generated code of the reference networks.
#[test]
fn generated_code_computes_the_same() {
    let mut programs = Vec::new();
    let mut expected = Vec::new();
    for network in &REFERENCES {
        let conversion = network.convert_for(Favour::Memory);
        let inputs = network.samples(2).subset(&[0, 1, 2, 3]);
        let logits = reference::all_logits(&conversion.network, &inputs);
        expected.push(logits.concat().into_iter().map(|logit| logit as u8).collect::<Vec<_>>());
        let inputs = inputs.batch(0..inputs.len());
        std::fs::write(format!("/tmp/{}.rs", network.name), conversion.model_rs()).unwrap();
        programs.push(Program { module: network.name, code: conversion.model_rs(), inputs });
    }
    for (network, (got, expected)) in
        REFERENCES.iter().zip(generated::outputs("rows", &programs).iter().zip(&expected))
    {
        assert!(got == expected, "{}", network.name);
    }
}
