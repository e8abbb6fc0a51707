//! What the preparation of frames of 160 × 120 grey pixels costs: each in a counted region.
//!
//! The file `inputs` holds the frames, one behind the other; the program writes to the file `images` for
//! each of them one byte, 0 if it was refused and 1 if not, and the image of 28 × 28 bytes.

#![no_std]
#![no_main]

use core::ptr::addr_of_mut;

use counts as _;
use firmware_core::prepare::{self, Form, Format, Frame, Polarity, Preparation};
use inkling_app::markers;
use semihosting::fs::File;
use semihosting::io::{Read, Result, Write};
use semihosting::{println, process::ExitCode};

const HEIGHT: usize = 120;
const WIDTH: usize = 160;

const DIGITS: Preparation =
    Preparation { form: Form::Digit, size: [28, 28], channels: 1, polarity: Polarity::Dark };

const SCRATCH_WORDS: usize = prepare::scratch_words([HEIGHT, WIDTH], &DIGITS);

/// A frame as a DMA controller leaves it: at a multiple of four.
#[repr(C, align(4))]
struct Pixels([u8; HEIGHT * WIDTH]);

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
    static mut PIXELS: Pixels = Pixels([0; HEIGHT * WIDTH]);
    static mut SCRATCH: [u32; SCRATCH_WORDS] = [0; SCRATCH_WORDS];
    // SAFETY: this runs once, and nothing else knows them.
    let (pixels, scratch) =
        unsafe { (&mut (*addr_of_mut!(PIXELS)).0, &mut *addr_of_mut!(SCRATCH)) };
    let mut inputs = File::open(c"inputs")?;
    let mut outputs = File::create(c"images")?;
    let count = inputs.metadata()?.len() as usize / pixels.len();
    for _ in 0..count {
        let mut rest = &mut pixels[..];
        while !rest.is_empty() {
            match inputs.read(rest)? {
                0 => panic!("the file of inputs ends too early"),
                read => rest = &mut rest[read..],
            }
        }
        let Ok(frame) = Frame::new(Format::Grey, HEIGHT, WIDTH, pixels) else {
            panic!("the frame has its size")
        };
        let mut answer = [0; 785];
        let [prepared, image @ ..] = &mut answer;
        markers::begin();
        let found = prepare::prepare(&frame, &DIGITS, scratch, image);
        markers::end();
        match found {
            Ok(_) => *prepared = 1,
            Err(_) => image.fill(0),
        }
        outputs.write_all(&answer)?;
    }
    Ok(())
}
