//! The layout: a blank part is taken, anything else is left alone, and a cut while it is laid out does no harm.

extern crate std;

use std::vec;

use super::memory_flash::MemoryFlash;
use super::power_cut::PowerCut;
use super::*;

#[test]
fn programming_clears_bits_and_only_an_erase_sets_them() {
    let mut memory = vec![0xFF; 2 * SECTOR as usize];
    let mut flash = MemoryFlash::new(&mut memory);
    flash.program(3, &[0b1100]).unwrap();
    flash.program(3, &[0b0110]).unwrap();
    let mut byte = [0];
    flash.read(3, &mut byte).unwrap();
    assert_eq!(byte, [0b0100]);
    flash.erase(0).unwrap();
    flash.read(3, &mut byte).unwrap();
    assert_eq!(byte, [0xFF]);
    assert_eq!(flash.erase(5), Err(FlashError::OutOfRange));
    assert_eq!(flash.erase(2 * SECTOR), Err(FlashError::OutOfRange));
    assert_eq!(
        flash.program(2 * SECTOR - 1, &[0, 0]),
        Err(FlashError::OutOfRange)
    );
    assert_eq!(flash.read(u32::MAX, &mut byte), Err(FlashError::OutOfRange));
}

#[test]
fn a_blank_flash_is_laid_out_once_and_a_foreign_one_is_left_alone() {
    for blank in [0, 0xFF] {
        let mut memory = vec![blank; 1 << 20];
        let mut flash = MemoryFlash::new(&mut memory);
        assert_eq!(prepare(&mut flash), Ok(true));
        assert_eq!(prepare(&mut flash), Ok(false));
    }
    let mut memory = vec![0xFF; 1 << 20];
    memory[..4].copy_from_slice(b"else");
    let before = memory.clone();
    assert_eq!(
        prepare(&mut MemoryFlash::new(&mut memory)),
        Err(FlashError::Foreign)
    );
    assert_eq!(memory, before);
}

#[test]
fn a_cut_while_a_flash_is_laid_out_is_made_good_at_the_next_start() {
    // 41 erases of eight steps, and the header.
    for left in 1..41 * 8 + 16 {
        let mut flash = PowerCut::new(48 * SECTOR as usize);
        flash.left = left;
        flash.torn = 0b1010_0101;
        assert_eq!(prepare(&mut flash), Err(FlashError::Broken));
        flash.left = u64::MAX;
        assert_eq!(prepare(&mut flash), Ok(true), "after {left} steps");
        assert_eq!(prepare(&mut flash), Ok(false));
    }
}
