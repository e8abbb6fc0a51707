//! What the two programs share: start-up, markers, pseudo-random tensors, the stack's depth.

#![no_std]

pub mod machine;
pub mod model;
pub mod source;
