//! The application descriptor, which ESP-IDF's boot loader and the flashing tools look for in an image
//! (`esp_app_desc_t`). By hand, as the crate that has it, `esp-bootloader-esp-idf`, brings dozens of others.

/// ESP-IDF's `esp_app_desc_t`.
#[repr(C)]
struct Descriptor {
    magic: u32,
    secure_version: u32,
    reserved_1: [u32; 2],
    version: [u8; 32],
    project: [u8; 32],
    time: [u8; 16],
    date: [u8; 16],
    idf_version: [u8; 32],
    elf_sha256: [u8; 32],
    min_efuse_revision: u16,
    max_efuse_revision: u16,
    /// The logarithm to base 2.
    mmu_page_size: u8,
    reserved_3: [u8; 3],
    reserved_2: [u32; 18],
}

// A flashing tool may fill in the hash. Time and date stay empty: two builds are the same bytes.
#[used]
#[unsafe(export_name = "esp_app_desc")]
#[unsafe(link_section = ".flash.appdesc")]
static DESCRIPTOR: Descriptor = Descriptor {
    magic: 0xabcd_5432,
    secure_version: 0,
    reserved_1: [0; 2],
    version: text(env!("CARGO_PKG_VERSION")),
    project: text("inkling"),
    time: [0; 16],
    date: [0; 16],
    idf_version: [0; 32],
    elf_sha256: [0; 32],
    min_efuse_revision: 0,
    max_efuse_revision: u16::MAX,
    mmu_page_size: 16,
    reserved_3: [0; 3],
    reserved_2: [0; 18],
};

/// The text, padded with zeros.
const fn text(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut index = 0;
    while index < text.len() {
        bytes[index] = text.as_bytes()[index];
        index += 1;
    }
    bytes
}
