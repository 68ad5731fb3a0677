//! Which sectors are taken, and which must be erased before they are written.

use heapless::Vec;

use super::entry::{Extent, MOST_EXTENTS};

/// Most sectors that are managed: 16 MiB.
pub(super) const MOST_SECTORS: u16 = 4096;
const WORDS: usize = MOST_SECTORS as usize / 32;

/// One bit for each sector.
#[derive(Clone, Debug)]
pub(super) struct Marks([u32; WORDS]);

impl Marks {
    pub(super) const fn none() -> Self {
        Self([0; WORDS])
    }

    pub(super) fn has(&self, sector: u16) -> bool {
        let word = self.0.get(usize::from(sector / 32)).copied().unwrap_or(0);
        word & 1 << (sector % 32) != 0
    }

    pub(super) fn set(&mut self, sector: u16, marked: bool) {
        if let Some(word) = self.0.get_mut(usize::from(sector / 32)) {
            let bit = 1 << (sector % 32);
            *word = if marked { *word | bit } else { *word & !bit };
        }
    }

    pub(super) fn set_all(&mut self, extents: &[Extent], marked: bool) {
        for extent in extents {
            for sector in extent.first..extent.first.saturating_add(extent.count) {
                self.set(sector, marked);
            }
        }
    }
}

/// Finds `count` free sectors of the `total` there are, beginning at `from` so that all wear alike: in one run, else
/// in the largest ones. `None` if there are too few, or too scattered.
pub(super) fn find(
    used: &Marks,
    total: u16,
    from: u16,
    count: u16,
) -> Option<Vec<Extent, MOST_EXTENTS>> {
    let mut found = Vec::new();
    if count == 0 {
        return Some(found);
    }
    let run = run_of(used, from.min(total)..total, count).or_else(|| run_of(used, 0..total, count));
    if let Some(first) = run {
        found.push(Extent { first, count }).ok()?;
        return Some(found);
    }
    let mut taken = used.clone();
    let mut missing = count;
    while missing > 0 {
        let largest = largest_run(&taken, total).filter(|run| run.count > 0)?;
        let run = Extent {
            first: largest.first,
            count: largest.count.min(missing),
        };
        found.push(run).ok()?;
        taken.set_all(&[run], true);
        missing -= run.count;
    }
    Some(found)
}

/// The first run of `count` free sectors in `range`.
fn run_of(used: &Marks, range: core::ops::Range<u16>, count: u16) -> Option<u16> {
    let mut length = 0;
    for sector in range {
        length = if used.has(sector) { 0 } else { length + 1 };
        if length == count {
            return Some(sector + 1 - count);
        }
    }
    None
}

fn largest_run(used: &Marks, total: u16) -> Option<Extent> {
    let mut largest: Option<Extent> = None;
    let mut length = 0;
    for sector in 0..total {
        length = if used.has(sector) { 0 } else { length + 1 };
        if length > largest.map_or(0, |run| run.count) {
            largest = Some(Extent {
                first: sector + 1 - length,
                count: length,
            });
        }
    }
    largest
}
