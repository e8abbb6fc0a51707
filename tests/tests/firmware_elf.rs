//! What is linked into the inference firmware, and what it costs: read from the ELF files and
//! measured in QEMU.

use inkling_data::{Dataset, Split};
use tests::mcu::{
    BOARDS, BUILT_ONLY, Board, Elf, FLASH_BUDGET, Program, RAM_BUDGET, Toolchain, all_boards,
    measure, read_elf, simple,
};

/// Panicking, by any way that `core` has.
const PANIC: [&str; 5] =
    ["panic_fmt", "core9panicking", "rust_begin_unwind", "panic_bounds_check", "_fail"];

/// An allocator, the language's or C's.
const ALLOCATOR: [&str; 6] =
    ["__rust_alloc", "__rg_alloc", "__rdl_alloc", "5alloc5alloc", "malloc", "handle_alloc_error"];

/// Arithmetic on floats in software: the run-time's names, by the ABI of Arm and by GCC's.
const FLOAT: [&str; 16] = [
    "__aeabi_f",
    "__aeabi_d",
    "__aeabi_i2f",
    "__aeabi_ui2f",
    "__aeabi_i2d",
    "__aeabi_ui2d",
    "addsf3",
    "subsf3",
    "mulsf3",
    "divsf3",
    "adddf3",
    "muldf3",
    "floatsisf",
    "floatunsisf",
    "fixsfsi",
    "micromath",
];

fn elf(toolchain: &Toolchain, board: &Board, program: Program) -> Elf {
    read_elf(&board.build(toolchain, program))
}

fn forbidden<'e>(elf: &'e Elf, parts: &[&str]) -> Vec<&'e str> {
    let names = elf.symbols.iter().map(|symbol| symbol.name.as_str());
    names.filter(|name| parts.iter().any(|part| name.contains(part))).collect()
}

#[test]
fn inference_links_no_panic_no_allocator_and_no_float() {
    let Some(toolchain) = Toolchain::or_skip("symbols of the inference firmware") else { return };
    for board in all_boards() {
        for program in [Program::Infer, Program::Layers] {
            let elf = elf(&toolchain, board, program);
            assert!(
                elf.symbols.len() > 50,
                "{}: a firmware without symbols proves nothing",
                board.title
            );
            for parts in [&PANIC[..], &ALLOCATOR, &FLOAT] {
                let found = forbidden(&elf, parts);
                assert!(found.is_empty(), "{} {program:?} links {found:?}", board.title);
            }
        }
    }
}

#[test]
fn the_demonstration_links_no_panic_and_no_allocator() {
    let Some(toolchain) = Toolchain::or_skip("symbols of the demonstration") else { return };
    for board in all_boards() {
        let elf = elf(&toolchain, board, Program::Demo);
        for parts in [&PANIC[..], &ALLOCATOR] {
            let found = forbidden(&elf, parts);
            assert!(found.is_empty(), "{} links {found:?}", board.title);
        }
    }
}

/// The patterns above find what they are for.
#[test]
fn forbidden_symbols_are_recognized() {
    let symbol = |name: &str| tests::mcu::Symbol { name: name.into(), address: 0, size: 1 };
    let found = |name: &str, parts: &[&str]| {
        let elf = Elf { flash: 0, statics: 0, symbols: vec![symbol(name)] };
        !forbidden(&elf, parts).is_empty()
    };
    assert!(found("_ZN4core9panicking9panic_fmt17h0123456789abcdefE", &PANIC));
    assert!(found("_ZN4core5slice5index26slice_start_index_len_fail17h0E", &PANIC));
    assert!(found("_RNvNtCs8_4core9panicking18panic_bounds_check", &PANIC));
    assert!(found("__rust_alloc", &ALLOCATOR));
    assert!(found("__aeabi_fmul", &FLOAT));
    assert!(found("__mulsf3", &FLOAT));
    for name in ["main", "__aeabi_memclr4", "_ZN12inkling_app4bare5infer17h0E", "__aeabi_uidiv"] {
        assert!(!found(name, &PANIC) && !found(name, &ALLOCATOR) && !found(name, &FLOAT), "{name}");
    }
}

#[test]
fn inference_fits_28_kb_of_flash_and_4_kb_of_ram() {
    let Some(toolchain) = Toolchain::or_skip("flash and RAM of the inference firmware") else {
        return;
    };
    let images = Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed");
    let mut over = Vec::new();
    for board in &BOARDS {
        let measured = measure(&toolchain, board, &images);
        let (flash, ram) = (measured.flash.total(), measured.ram.total());
        eprintln!("{}: {flash} bytes of flash, {ram} of RAM: {measured:?}", board.title);
        assert!(measured.ram.stack > 0 && measured.flash.kernels > 1000, "{measured:?}");
        if flash > FLASH_BUDGET || ram > RAM_BUDGET {
            over.push(format!("{}: {flash} bytes of flash, {ram} of RAM", board.title));
        }
    }
    assert!(over.is_empty(), "over {FLASH_BUDGET} or {RAM_BUDGET}: {over:?}");
}

/// The same budgets for the boards that QEMU does not emulate, as far as their files tell: how deep the
/// stack gets is not known, so room is kept for more than the emulated boards need.
#[test]
fn inference_that_is_only_built_fits_28_kb_of_flash_and_leaves_room_for_the_stack() {
    const STACK: u64 = 1_500;
    let Some(toolchain) = Toolchain::or_skip("flash and statics of boards without an emulator")
    else {
        return;
    };
    for board in &BUILT_ONLY {
        let elf = elf(&toolchain, board, Program::Infer);
        let (flash, ram) = (elf.flash, elf.statics);
        println!("{}: {flash} bytes of flash, {ram} of RAM without the stack", board.title);
        // A model of this size is in it, so the file was understood.
        assert!(flash > simple::INFO.weight_bytes as u64, "{}: {flash} of flash", board.title);
        assert!(flash <= FLASH_BUDGET, "{}: {flash} bytes of flash", board.title);
        assert!(ram + STACK <= RAM_BUDGET, "{}: {ram} bytes of RAM and a stack", board.title);
    }
}

/// The counts are exact: the same again, on every run.
#[test]
fn instruction_counts_repeat_exactly() {
    let Some(toolchain) = Toolchain::or_skip("instruction counts") else { return };
    let images = Dataset::load(&tests::mnist(), Split::Test).expect("MNIST is committed");
    let board = &tests::mcu::STM32F405;
    assert_eq!(measure(&toolchain, board, &images), measure(&toolchain, board, &images));
}
