//! Models that were quantized for ONNX Runtime, in QDQ form (QuantizeLinear and DequantizeLinear around
//! float operators) or QOperator form (QLinearConv and the like): brought, without any translation of
//! their numbers, to layers that compute what ONNX Runtime computes, in every value.
//!
//! [`plain`] writes the second form as the first. [`import()`] then reads node by node: a
//! DequantizeLinear gives floats that are a function of one integer value; an operator between it and
//! a QuantizeLinear becomes the layer that ONNX Runtime's integer kernel for it is, where it has one,
//! or a table where it only computes element by element. What ONNX Runtime computes in floats is
//! refused by name. `reading` compares the result with the file's own nodes.
//!
//! What ONNX Runtime (1.32, all optimizations, x86-64 with AVX2) computes was found by experiment, and
//! the tests hold it:
//!
//! | operator | arithmetic |
//! |---|---|
//! | Conv, Gemm, MatMul | `clamp(round(f32(acc) · ((xs · ws) / ys)) + zy)` |
//! | Add | `round(fma(ra, a, fma(rb, b, zy − fma(ra, za, rb · zb))))`, `ra = sa / sy`, `rb = sb / sy` |
//! | Mul | `round(f32((a − za) · (b − zb)) · ((sa · sb) / sy)) + zy` |
//! | GlobalAveragePool | `round(f32(Σ (x − zx)) · (sx / (sy · n))) + zy` |
//! | AveragePool | floats, added row by row, divided by their number and `sy`; `zy` is added before the rounding |
//! | others of one value | a table of 256 results in `f32` |

mod borders;
mod combine;
mod constants;
mod convert;
mod ending;
mod functions;
mod import;
mod islands;
mod known;
mod linear;
mod movement;
mod plain;
mod pool;
mod reading;
mod table;

pub use convert::{FILES, SOURCE, convert};
pub use ending::Ending;
pub use import::{Imported, import};
pub use plain::is_quantized;
