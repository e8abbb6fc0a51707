//! What a firmware file says: its sizes and its symbols.

use object::read::elf::ElfFile32;
use object::{Endianness, Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};

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
    /// Takes the bytes of an ELF file apart.
    pub fn read(bytes: &[u8]) -> Result<Self, object::read::Error> {
        let file = object::File::parse(bytes)?;
        // Those that are loaded.
        let flash = file.segments().map(|segment| segment.file_range().1).sum();
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
    /// The symbols that `which` chooses with their sizes, each address once, under their last two
    /// names; the largest first.
    pub fn functions(&self, which: impl Fn(&str) -> bool) -> Vec<(String, u64)> {
        let mut chosen: Vec<&Symbol> =
            self.symbols.iter().filter(|symbol| symbol.size > 0 && which(&symbol.name)).collect();
        chosen.sort_by_key(|symbol| symbol.address);
        chosen.dedup_by_key(|symbol| symbol.address);
        let mut functions: Vec<(String, u64)> =
            chosen.iter().map(|symbol| (short_name(&symbol.name), symbol.size)).collect();
        functions.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        functions
    }
}

/// Where in a 32-bit ELF file the statics lie that `which` chooses: offset and size of each, in order.
///
/// # Panics
///
/// When the bytes are no ELF file.
pub fn statics(bytes: &[u8], which: impl Fn(&str) -> bool) -> Vec<(usize, usize)> {
    let file = ElfFile32::<Endianness>::parse(bytes).expect("an ELF file");
    let mut places: Vec<(usize, usize)> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Data && symbol.name().is_ok_and(&which))
        .filter_map(|symbol| {
            let section = file.section_by_index(symbol.section_index()?).ok()?;
            let (start, _) = section.file_range()?;
            let offset = start + symbol.address().checked_sub(section.address())?;
            Some((offset as usize, symbol.size() as usize))
        })
        .collect();
    places.sort_unstable();
    places
}

/// The last two names of a path that the compiler mangled in its older way, `_ZN` and each name
/// behind its length, with a hash at the end; other symbols as they are.
fn short_name(symbol: &str) -> String {
    let Some(mut rest) = symbol.strip_prefix("_ZN") else { return symbol.to_string() };
    let mut names = Vec::new();
    while let Some(digits) = rest.find(|c: char| !c.is_ascii_digit()).filter(|&digits| digits > 0) {
        let (length, tail) = rest.split_at(digits);
        let length = length.parse().unwrap_or(0);
        let Some((name, tail)) = tail.split_at_checked(length) else { break };
        names.push(name.replace("$LT$", "<").replace("$GT$", ">"));
        rest = tail;
    }
    names.pop_if(|last| last.len() == 17 && last.starts_with('h'));
    names[names.len().saturating_sub(2)..].join("::")
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn names_are_short() {
        for (symbol, name) in [
            ("_ZN13firmware_core4arch4rows10max_pool2d17h73e297e136c41233E", "rows::max_pool2d"),
            ("_ZN13firmware_core4tile14Tiled$LT$X$GT$4sums17h8f7f8d8aa6033df9E", "Tiled<X>::sums"),
            ("inkling_rows", "inkling_rows"),
            ("_ZN99short", ""),
        ] {
            assert_eq!(short_name(symbol), name);
        }
    }
}
