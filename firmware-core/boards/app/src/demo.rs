//! The demonstration: a self-test that a person can read, then the protocol for a host.

use firmware_core::Outputs;
use inkling_protocol::{Device, reply_len, request_len};

use crate::golden::GOLDEN;
use crate::memory;
use crate::model::{self, INFO, Image, LABELS};
use crate::service::{Model, Timed};
use crate::text::Text;
use crate::{Board, CLASSES};

/// Tests itself on the golden images, tells the result on the serial port, lights the lamp if every
/// logit is right, and then answers the protocol's requests.
pub fn run(board: &mut impl Board) -> ! {
    // SAFETY: a program runs either this or the bare inference, once, and it never returns.
    let memory = unsafe { memory::take() };
    let mut model = Model { board, memory, logits: [0; CLASSES] };
    let passed = self_test(&mut model);
    model.board.lamp(passed);
    let mut device = Device::<{ request_len(size_of::<Image>()) }, { reply_len(CLASSES) }>::new();
    // While a reply goes out nothing is read, which the protocol allows for: the host waits for it.
    loop {
        let byte = model.board.read();
        device.feed(byte, &mut model);
    }
}

fn self_test<B: Board>(model: &mut Model<'_, B>) -> bool {
    let mut text = Text(model.board);
    text.line();
    text.str("inkling on ").str(B::NAME).line();
    text.str("model ").str(INFO.name).str(", made from the file with SHA-256 ");
    text.hex(&INFO.source_sha256).line();
    let intact = model::verify();
    text.str(if intact {
        "weights as converted"
    } else {
        "weights SPOILED since they were converted"
    })
    .line();
    let mut wrong = 0u32;
    let mut slowest = 0;
    for (image, label, expected) in &GOLDEN {
        let Timed { class, cycles } = model.run_on(image);
        let cycles = cycles.unwrap_or(0);
        slowest = slowest.max(cycles);
        let right = model.logits == expected.widen();
        wrong += u32::from(!right);
        let logits = model.logits;
        let mut text = Text(model.board);
        text.str("label ").number(*label);
        match class {
            None => {
                text.str(", none of these");
            }
            Some(class) => {
                text.str(", class ").number(class);
                if let Some(name) = LABELS.get(usize::from(class)) {
                    text.str(" (").str(name).str(")");
                }
            }
        }
        text.str(", logits");
        for logit in logits {
            text.str(" ").number(logit);
        }
        text.str(if right { ", right" } else { ", WRONG" }).line();
    }
    let hz = model.board.ticks_hz();
    let mut text = Text(model.board);
    text.str("self-test: ")
        .number(GOLDEN.len() as u32)
        .str(" images, ")
        .number(wrong)
        .str(" wrong");
    if hz != 0 {
        text.str(", at most ").number(slowest).str(" ticks of ").number(hz).str(" a second");
    }
    text.line();
    let passed = intact && wrong == 0;
    text.str(if passed { "self-test passed" } else { "self-test FAILED" }).line();
    passed
}
