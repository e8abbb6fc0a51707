//! The larger of each of four bytes, with the DSP extension: a comparison and a choice for four.

/// Words that the routines take at once.
const BLOCK: usize = 4;

/// Every byte, of words of four, becomes the larger of itself and the one `step` bytes behind it, where
/// there is one.
#[inline(never)] // twenty times in a ground
pub(super) fn slide(cells: &mut [u32], step: usize) {
    let (words, bits) = (step / 4, 8 * (step % 4));
    // Of a step between words, the word behind is read, too.
    let count = cells.len().saturating_sub(words + usize::from(bits > 0));
    let blocks = count / BLOCK;
    if blocks > 0 {
        let first = cells.as_mut_ptr();
        // SAFETY: the routines read and write the first `blocks` blocks, and read as many that begin
        // `words` words behind them, and one word more if `bits` is not 0: all in the slice, as `count`
        // says. They keep to the procedure call standard.
        unsafe {
            if bits == 0 {
                larger_aligned(first, first.add(words), blocks);
            } else {
                larger_between(first, first.add(words), blocks, bits);
            }
        }
    }
    crate::prepare::slide(cells.get_mut(blocks * BLOCK..).unwrap_or_default(), step);
}

unsafe extern "C" {
    #[link_name = symbol!("larger_aligned")]
    fn larger_aligned(cells: *mut u32, behind: *const u32, blocks: usize);
    #[link_name = symbol!("larger_between")]
    fn larger_between(cells: *mut u32, behind: *const u32, blocks: usize, bits: usize);
}

// Registers: r0 cells, r1 those behind, r2 blocks left. A block is read before it is written, since the two
// may overlap.
routine!(
    symbol!("larger_aligned"),
    "push {{r4, r5, r6, r7, r8, r9, r10, lr}}",
    "1:",
    "ldmia r1!, {{r3, r4, r5, r6}}",
    "ldmia r0, {{r7, r8, r9, r10}}",
    "usub8 r12, r7, r3",
    "sel r7, r7, r3",
    "usub8 r12, r8, r4",
    "sel r8, r8, r4",
    "usub8 r12, r9, r5",
    "sel r9, r9, r5",
    "usub8 r12, r10, r6",
    "sel r10, r10, r6",
    "stmia r0!, {{r7, r8, r9, r10}}",
    "subs r2, #1",
    "bne 1b",
    "pop {{r4, r5, r6, r7, r8, r9, r10, pc}}",
);

/// A word and what it is to be compared with: of the word behind it its upper bytes, of the next one the
/// lower ones. `r3` and `lr` say how many bits.
macro_rules! between {
    ($cell:literal, $low:literal, $high:literal) => {
        concat!(
            "lsr ",
            $low,
            ", ",
            $low,
            ", r3\n",
            "lsl r12, ",
            $high,
            ", lr\n",
            "orr ",
            $low,
            ", ",
            $low,
            ", r12\n",
            "usub8 r12, ",
            $cell,
            ", ",
            $low,
            "\n",
            "sel ",
            $cell,
            ", ",
            $cell,
            ", ",
            $low,
        )
    };
}

// Registers as before; r3 the bits, lr what is missing to 32, r4 the word behind, which the last block read.
routine!(
    symbol!("larger_between"),
    "push {{r4, r5, r6, r7, r8, r9, r10, r11, lr}}",
    "rsb lr, r3, #32",
    "ldr r4, [r1], #4",
    "push {{r2}}",
    "1:",
    "ldmia r1!, {{r5, r6, r7, r8}}",
    "ldmia r0, {{r2, r9, r10, r11}}",
    between!("r2", "r4", "r5"),
    between!("r9", "r5", "r6"),
    between!("r10", "r6", "r7"),
    between!("r11", "r7", "r8"),
    "mov r4, r8",
    "stmia r0!, {{r2, r9, r10, r11}}",
    "ldr r2, [sp]",
    "subs r2, #1",
    "str r2, [sp]",
    "bne 1b",
    "add sp, #4",
    "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
);
