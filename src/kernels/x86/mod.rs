//! The kernels for x86-64 with wide registers: the second home of `unsafe` in this project, beside the mapping of files.
//!
//! [`tables`] gives the tables that this processor can run; `avx512` and `avx2` hold the functions. What makes a use of
//! such registers unsafe is done in this file alone, in two ways:
//!
//! * *Running an instruction that the processor lacks.* All functions of `avx512` and `avx2` are safe functions with
//!   `#[target_feature]`: only code with the same features may call them or point to them. The two functions that make
//!   the tables are called here, behind the question whether the processor has these features.
//! * *Reading and writing memory of the width of a register.* The helpers below do it. Each takes an array of exactly that
//!   width, or a slice and a mask made of its length, so that no caller can make it leave the memory that was lent to it.
//!
//! All the rest is arithmetic on registers, which is safe, on places that safe slices have checked.

#![expect(unsafe_code, reason = "wide loads and stores, and features asked for at run time")]

mod avx2;
mod avx512;

use std::arch::x86_64 as arch;
use std::mem;

use super::table::Kernels;

/// The tables that this processor can run, the fastest first.
pub(super) fn tables() -> impl Iterator<Item = &'static Kernels> {
    // SAFETY: making the tables runs none of the instructions, and they are given to nobody but behind the tests below.
    static AVX512: Kernels = unsafe { avx512::table() };
    // SAFETY: as above.
    static AVX2: Kernels = unsafe { avx2::table() };

    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("avx512vpopcntdq");
    [avx512.then_some(&AVX512), avx2.then_some(&AVX2)].into_iter().flatten()
}

/// What is behind the first `count` bytes, nothing when there are no more.
#[inline]
fn behind(bytes: &[u8], count: usize) -> &[u8] {
    &bytes[count.min(bytes.len())..]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_64(bytes: &[u8; 64]) -> arch::__m512i {
    // SAFETY: any 64 bytes are such a register.
    unsafe { mem::transmute::<[u8; 64], arch::__m512i>(*bytes) }
}

/// The first 64 bytes; those that are not there are zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn load_up_to_64(bytes: &[u8]) -> arch::__m512i {
    if let Some(bytes) = bytes.first_chunk() {
        return load_64(bytes);
    }
    // SAFETY: the mask has a bit for each byte of the slice, and what has none is not read.
    unsafe { arch::_mm512_maskz_loadu_epi8(low_bits(bytes.len()), bytes.as_ptr().cast()) }
}

/// As many low bits as `count` says, at most 64.
#[inline]
#[target_feature(enable = "bmi2")]
fn low_bits(count: usize) -> u64 {
    arch::_bzhi_u64(u64::MAX, u32::try_from(count).unwrap_or(64).min(64))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_u16x32(numbers: &[u16; 32]) -> arch::__m512i {
    // SAFETY: any 32 numbers of 16 bits are such a register.
    unsafe { mem::transmute::<[u16; 32], arch::__m512i>(*numbers) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_u16x32(register: arch::__m512i, numbers: &mut [u16; 32]) {
    // SAFETY: such a register is 32 numbers of 16 bits.
    *numbers = unsafe { mem::transmute::<arch::__m512i, [u16; 32]>(register) };
}

/// Writes the first numbers of the register, as many as there is room for.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn store_up_to_u16x32(register: arch::__m512i, numbers: &mut [u16]) {
    if let Some(numbers) = numbers.first_chunk_mut() {
        return store_u16x32(register, numbers);
    }
    let mask = (low_bits(numbers.len()) & 0xFFFF_FFFF) as u32;
    // SAFETY: the mask has a bit for each number of the slice, and what has none is not written.
    unsafe { arch::_mm512_mask_storeu_epi16(numbers.as_mut_ptr().cast(), mask, register) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn to_i32x16(register: arch::__m512i) -> [i32; 16] {
    // SAFETY: such a register is 16 numbers of 32 bits.
    unsafe { mem::transmute::<arch::__m512i, [i32; 16]>(register) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_16(bytes: &[u8; 16]) -> arch::__m128i {
    // SAFETY: any 16 bytes are such a register.
    unsafe { mem::transmute::<[u8; 16], arch::__m128i>(*bytes) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_32(bytes: &[u8; 32]) -> arch::__m256i {
    // SAFETY: any 32 bytes are such a register.
    unsafe { mem::transmute::<[u8; 32], arch::__m256i>(*bytes) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_u32x8(numbers: &[u32; 8]) -> arch::__m256i {
    // SAFETY: any 8 numbers of 32 bits are such a register.
    unsafe { mem::transmute::<[u32; 8], arch::__m256i>(*numbers) }
}

/// The first 8 numbers; those that are not there are zero.
#[inline]
#[target_feature(enable = "avx2")]
fn load_up_to_u32x8(numbers: &[u32]) -> arch::__m256i {
    static THERE: [u32; 16] = [!0, !0, !0, !0, !0, !0, !0, !0, 0, 0, 0, 0, 0, 0, 0, 0];
    if let Some(numbers) = numbers.first_chunk() {
        return load_u32x8(numbers);
    }
    let there = THERE[8 - numbers.len()..]
        .first_chunk()
        .map_or(arch::_mm256_setzero_si256(), |there| load_u32x8(there));
    // SAFETY: a lane is read where its bit in the mask is set, which is so for the numbers of the slice.
    unsafe { arch::_mm256_maskload_epi32(numbers.as_ptr().cast(), there) }
}

/// Writes the first numbers of the register, as many as there is room for.
#[inline]
#[target_feature(enable = "avx2")]
fn store_up_to_u32x8(register: arch::__m256i, numbers: &mut [u32]) {
    let all = to_u32x8(register);
    if let Some(numbers) = numbers.first_chunk_mut() {
        *numbers = all;
        return;
    }
    numbers.iter_mut().zip(all).for_each(|(number, lane)| *number = lane);
}

#[inline]
#[target_feature(enable = "avx2")]
fn to_u32x8(register: arch::__m256i) -> [u32; 8] {
    // SAFETY: such a register is 8 numbers of 32 bits.
    unsafe { mem::transmute::<arch::__m256i, [u32; 8]>(register) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_u16x16(numbers: &[u16; 16]) -> arch::__m256i {
    // SAFETY: any 16 numbers of 16 bits are such a register.
    unsafe { mem::transmute::<[u16; 16], arch::__m256i>(*numbers) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_u16x16(register: arch::__m256i, numbers: &mut [u16; 16]) {
    // SAFETY: such a register is 16 numbers of 16 bits.
    *numbers = unsafe { mem::transmute::<arch::__m256i, [u16; 16]>(register) };
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_u16x8(register: arch::__m128i, numbers: &mut [u16; 8]) {
    // SAFETY: such a register is 8 numbers of 16 bits.
    *numbers = unsafe { mem::transmute::<arch::__m128i, [u16; 8]>(register) };
}
