//! Kinds of ONNX files on which readers go wrong, each as small as it can be, with what is right for
//! it. Every fault that was ever reported belongs here as a kind, not as a file.

mod constants;
mod inputs;
mod layers;
mod net;
mod refusals;

pub use net::{Net, edited, plain};

use constants::constants;
use inputs::{inputs, shapes};
use layers::{ends, layers};
use refusals::{hostile, refusals};

/// Height and width of the images, but for series and vectors.
pub const SIDE: usize = 12;
pub const CLASSES: usize = 5;

/// What is right for a file.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// It converts, tract confirms the reading, and the integers equal tract's.
    Converts,
    /// The same, but tract cannot run the file or is wrong about it: its own nodes confirm it.
    ConvertsByItsNodes,
    /// It is refused in one line that says these.
    Refused(&'static [&'static str]),
}

pub struct Kind {
    pub name: &'static str,
    pub onnx: Vec<u8>,
    /// Height and width of its images.
    pub size: [usize; 2],
    pub expected: Expected,
}

/// All kinds.
pub fn all() -> Vec<Kind> {
    [inputs(), shapes(), constants(), layers(), ends(), refusals(), hostile()].concat_all()
}

trait ConcatAll {
    fn concat_all(self) -> Vec<Kind>;
}

impl<const N: usize> ConcatAll for [Vec<Kind>; N] {
    fn concat_all(self) -> Vec<Kind> {
        self.into_iter().flatten().collect()
    }
}

fn converts(name: &'static str, onnx: Vec<u8>) -> Kind {
    Kind { name, onnx, size: [SIDE, SIDE], expected: Expected::Converts }
}

fn refused(name: &'static str, onnx: Vec<u8>, parts: &'static [&'static str]) -> Kind {
    Kind { name, onnx, size: [SIDE, SIDE], expected: Expected::Refused(parts) }
}
