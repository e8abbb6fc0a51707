//! What a firmware file says: its sizes and its symbols.

use object::elf::PT_LOAD;
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};

/// A firmware file.
#[derive(Clone, Debug)]
pub struct Elf {
    /// Bytes that are written into the flash.
    pub flash: u64,
    /// Bytes of statics: initialized and zeroed.
    pub statics: u64,
    pub symbols: Vec<Symbol>,
}

/// A symbol with its size; functions and data alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// As the compiler writes it, mangled.
    pub name: String,
    pub address: u64,
    pub size: u64,
}

impl Elf {
    /// Takes the bytes of a 32-bit ELF file apart.
    pub fn read(bytes: &[u8]) -> Result<Self, object::read::Error> {
        let file = ElfFile32::<Endianness>::parse(bytes)?;
        let endian = file.endian();
        let load =
            file.elf_program_headers().iter().filter(|header| header.p_type(endian) == PT_LOAD);
        let flash = load.map(|header| u64::from(header.p_filesz(endian))).sum();
        let symbols: Vec<_> = file
            .symbols()
            .filter_map(|symbol| {
                let name = symbol.name().ok()?.to_string();
                Some(Symbol { name, address: symbol.address(), size: symbol.size() })
            })
            .collect();
        let mut elf = Self { flash, statics: 0, symbols };
        // The last are initialized statics that a boot loader, not the start-up code, puts into the RAM.
        let spans = ["data", "bss", "loaded_data"].map(|section| elf.span(section).unwrap_or(0));
        elf.statics = spans.iter().sum();
        Ok(elf)
    }

    /// Where the statics end and the stack may begin.
    pub fn statics_end(&self) -> Option<u64> {
        self.boundary("ebss")
    }

    fn span(&self, section: &str) -> Option<u64> {
        self.boundary(&format!("e{section}"))?.checked_sub(self.boundary(&format!("s{section}"))?)
    }

    /// The linker script of `cortex-m-rt` puts two underscores before such names, that of `riscv-rt` one.
    fn boundary(&self, name: &str) -> Option<u64> {
        self.address(&format!("__{name}")).or_else(|| self.address(&format!("_{name}")))
    }

    /// The address of the symbol `name`.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.symbols.iter().find(|symbol| symbol.name == name).map(|symbol| symbol.address)
    }

    /// The sum of the sizes of all symbols that `which` chooses, each address once.
    pub fn size_of(&self, which: impl Fn(&str) -> bool) -> u64 {
        let mut chosen: Vec<_> = self
            .symbols
            .iter()
            .filter(|symbol| symbol.size > 0 && which(&symbol.name))
            .map(|symbol| (symbol.address, symbol.size))
            .collect();
        chosen.sort_unstable();
        chosen.dedup_by_key(|(address, _)| *address);
        chosen.iter().map(|(_, size)| size).sum()
    }
}
