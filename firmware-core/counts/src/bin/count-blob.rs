//! What the blob of `INKLING_BLOB` costs: its loading in a counted region, and then each input's inference
//! in another.
//!
//! Files as `count` has them: `inputs`, and `logits` with what the model gives.

#![no_std]
#![no_main]
// Where no blob is named, its sizes are zero, and so are the bounds.
#![allow(clippy::absurd_extreme_comparisons, clippy::unnecessary_min_or_max)]

use core::ptr::addr_of_mut;

use counts as _;
use firmware_core::blob::{Kind, Model, Values, kinds};
use inkling_app::markers;
use semihosting::fs::File;
use semihosting::io::{Read, Result, Write};
use semihosting::{println, process::ExitCode};

/// All layers that models of convolutions, poolings and fully connected layers have.
type Convolutional<'a> =
    Model<'a, { kinds(&[Kind::Conv2d, Kind::Conv2dMaxPool2d, Kind::FullyConnected]) }>;

/// Bytes at a multiple of four.
#[repr(C, align(4))]
struct Aligned<T: ?Sized>(T);

static BLOB: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/model.blob")));

include!(concat!(env!("OUT_DIR"), "/blob_sizes.rs"));

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
#[cfg_attr(target_arch = "aarch64", unsafe(export_name = "counts_main"))]
fn main() -> ! {
    match run() {
        Ok(()) => ExitCode::SUCCESS.exit_process(),
        Err(error) => {
            println!("FAILED: {error}");
            semihosting::process::exit(1)
        }
    }
}

fn run() -> Result<()> {
    static mut ARENA: [u32; ARENA_WORDS] = [0; ARENA_WORDS];
    static mut INPUT: [u8; INPUT_BYTES] = [0; INPUT_BYTES];
    // SAFETY: this runs once, and nothing else knows them.
    let (arena, input) = unsafe { (&mut *addr_of_mut!(ARENA), &mut *addr_of_mut!(INPUT)) };
    markers::begin();
    let model = core::hint::black_box(Convolutional::load_only(core::hint::black_box(&BLOB.0)));
    markers::end();
    let model = match model {
        Ok(model) => model,
        Err(error) => {
            println!("{error}");
            semihosting::process::exit(2)
        }
    };
    assert!(model.arena_words() <= ARENA_WORDS, "the arena is too small");
    let mut inputs = File::open(c"inputs")?;
    let mut outputs = File::create(c"logits")?;
    let count = inputs.metadata()?.len() as usize / INPUT_BYTES.max(1);
    for _ in 0..count {
        let mut rest = &mut input[..];
        while !rest.is_empty() {
            match inputs.read(rest)? {
                0 => panic!("the file of inputs ends too early"),
                read => rest = &mut rest[read..],
            }
        }
        markers::begin();
        let values = core::hint::black_box(model.infer(input, arena, &mut ()));
        markers::end();
        match values {
            Ok(Values::I32(values)) => outputs.write_all(bytemuck::cast_slice(values))?,
            Ok(Values::I8(values)) => outputs.write_all(bytemuck::cast_slice(values))?,
            Ok(Values::U8(values)) => outputs.write_all(values)?,
            Err(error) => panic!("{error}"),
        }
    }
    Ok(())
}
