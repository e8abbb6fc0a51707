//! What is small and shared by the crates of the host: one home each.
//!
//! [`files`] writes what is whole or not there, [`console`] tells a person or a pipe, [`parallel`]
//! splits work over the cores, [`digest`] names bytes by their SHA-256, [`names`] says what a model
//! may be called, [`order`] finds the largest of numbers, [`caught`] makes errors of panics, [`markdown`] escapes,
//! [`shell`] writes commands as people type them, [`stage`] says what long work is at, [`table`] sets columns and numbers.

pub mod caught;
pub mod console;
pub mod digest;
pub mod files;
pub mod markdown;
pub mod names;
pub mod order;
pub mod parallel;
pub mod shell;
pub mod stage;
pub mod table;
