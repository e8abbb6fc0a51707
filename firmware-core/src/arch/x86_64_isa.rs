//! Which vectors there are, found out at run time.

#[cfg(not(miri))]
use core::arch::x86_64::*;
use core::sync::atomic::{AtomicU8, Ordering};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Isa {
    Sse2 = 1,
    Avx2 = 2,
    /// AVX-VNNI: VNNI without AVX-512.
    Narrow = 3,
    /// AVX-512 with VNNI.
    Vnni = 4,
    /// The same with VBMI and VBMI2, which permute bytes across a vector.
    Vbmi = 5,
}

/// What [`isa`] has found, or 0.
static FOUND: AtomicU8 = AtomicU8::new(0);

/// The widest vectors that processor and operating system support, found out once.
#[inline(always)]
pub(super) fn isa() -> Isa {
    match FOUND.load(Ordering::Relaxed) {
        1 => Isa::Sse2,
        2 => Isa::Avx2,
        3 => Isa::Narrow,
        4 => Isa::Vnni,
        5 => Isa::Vbmi,
        _ => {
            let isa = detect();
            FOUND.store(isa as u8, Ordering::Relaxed);
            isa
        }
    }
}

/// Uses vectors of at most `bytes` bytes from now on, in the whole process: 16 is SSE2, 32 AVX2 without
/// VNNI, and 64 all that the processor has; 63 is that without VBMI. Wider ones are not used in any case.
///
/// For tests and benchmarks of the narrower kernels; the results are the same.
pub fn limit_vectors(bytes: usize) {
    let isa = match (bytes, detect()) {
        (64.., found) => found,
        (63, Isa::Vnni | Isa::Vbmi) => Isa::Vnni,
        (32.., Isa::Avx2 | Isa::Narrow | Isa::Vnni | Isa::Vbmi) => Isa::Avx2,
        _ => Isa::Sse2,
    };
    FOUND.store(isa as u8, Ordering::Relaxed);
}

/// Miri knows no CPUID, and of the vectors only SSE2.
#[cfg(miri)]
fn detect() -> Isa {
    Isa::Sse2
}

#[cfg(not(miri))]
#[cold]
fn detect() -> Isa {
    const XSAVE_AVX: u32 = 1 << 27 | 1 << 28;
    const AVX2: u32 = 1 << 5;
    const AVX512F_BW_VL: u32 = 1 << 16 | 1 << 30 | 1 << 31;
    const AVX512_VNNI: u32 = 1 << 11;
    const AVX512_VBMI_VBMI2: u32 = 1 << 1 | 1 << 6;
    const AVX_VNNI: u32 = 1 << 4;
    // SAFETY: every x86-64 has CPUID; XGETBV exists where CPUID says so.
    #[allow(unused_unsafe)] // newer compilers know CPUID to be safe
    let (features, more, state) = unsafe {
        if __cpuid(0).eax < 7 || __cpuid(1).ecx & XSAVE_AVX != XSAVE_AVX {
            return Isa::Sse2;
        }
        let features = __cpuid_count(7, 0);
        // What is not there is told as zeros or, by some, as something else.
        let more = if features.eax > 0 { __cpuid_count(7, 1).eax } else { 0 };
        (features, more, xgetbv())
    };
    if state & 0x6 != 0x6 || features.ebx & AVX2 == 0 {
        Isa::Sse2
    } else if state & 0xe6 == 0xe6
        && features.ebx & AVX512F_BW_VL == AVX512F_BW_VL
        && features.ecx & AVX512_VNNI != 0
    {
        if features.ecx & AVX512_VBMI_VBMI2 == AVX512_VBMI_VBMI2 { Isa::Vbmi } else { Isa::Vnni }
    } else if more & AVX_VNNI != 0 {
        Isa::Narrow
    } else {
        Isa::Avx2
    }
}

/// Which registers the operating system saves.
#[cfg(not(miri))]
#[target_feature(enable = "xsave")]
unsafe fn xgetbv() -> u64 {
    // SAFETY: the caller has checked that the instruction exists; register 0 always does.
    unsafe { _xgetbv(0) }
}
