//! No kernels beside the scalar ones, which take weights as they are.

pub(crate) use super::natural::arrange;
