//! What several tests share.

#![allow(dead_code, reason = "each test uses its own part")]

pub mod frames;
pub mod sweep;
pub mod tensors;
