//! The subcommands: each file has its options and what they start.

pub mod augment;
pub mod compare;
pub mod data;
pub mod evaluate;
pub mod explain;
pub mod finetune;
pub mod import;
pub mod inspect;
pub mod play;
pub mod predict;
pub mod sample;
pub mod sweep;
