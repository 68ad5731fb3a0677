//! Numbered records in an area of flash: the latest of each number counts, and a power cut leaves the earlier or the
//! later one.
//!
//! The work is done by the crate `sequential-storage`, which spreads wear over the area and checks what it reads.
//! It is written for flash that is waited for; ours answers at once, so that its futures never wait.

use core::future::Future;
use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use sequential_storage::cache::Cache;
use sequential_storage::map::{MapConfig, MapStorage};

use super::{Flash, FlashError, SECTOR};

/// Most bytes of one record.
pub(super) const LONGEST: usize = 256;
/// A record with its number, as the crate reads it.
const BUFFER: usize = LONGEST + 8;

/// An area of records.
#[derive(Clone, Debug)]
pub(super) struct Records {
    area: Range<u32>,
}

/// Our flash as the crate wants it.
struct Chip<'f, F>(&'f mut F);

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::OutOfRange => NorFlashErrorKind::OutOfBounds,
            _ => NorFlashErrorKind::Other,
        }
    }
}

impl<F> ErrorType for Chip<'_, F> {
    type Error = FlashError;
}

impl<F: Flash> ReadNorFlash for Chip<'_, F> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        usize::try_from(self.0.size()).unwrap_or(usize::MAX)
    }
}

impl<F: Flash> NorFlash for Chip<'_, F> {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = SECTOR as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let mut at = from;
        while at < to {
            self.0.erase(at)?;
            at += SECTOR;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.0.program(offset, bytes)
    }
}

type Map<'f, F> = MapStorage<u16, Chip<'f, F>, Uncached>;
type Uncached = Cache<
    sequential_storage::cache::Uncached,
    sequential_storage::cache::Uncached,
    sequential_storage::cache::Uncached,
    u16,
>;
type MapError = sequential_storage::Error<FlashError>;

impl Records {
    pub(super) const fn new(area: Range<u32>) -> Self {
        Self { area }
    }

    fn map<'f, F: Flash>(&self, flash: &'f mut F) -> Result<Map<'f, F>, FlashError> {
        let config = MapConfig::try_new(self.area.clone()).map_err(|_| FlashError::OutOfRange)?;
        Ok(MapStorage::new(Chip(flash), config, Cache::new_uncached()))
    }

    /// Stores `value`, at most [`LONGEST`] bytes, in place of the earlier record of this number.
    pub(super) fn put(
        &self,
        flash: &mut impl Flash,
        number: u16,
        value: &[u8],
    ) -> Result<(), FlashError> {
        let mut buffer = [0; BUFFER];
        done(self.map(flash)?.store_item(&mut buffer, &number, &value))
    }

    /// Copies the record of this number to the start of `out`, which must have room for it; its length.
    pub(super) fn get(
        &self,
        flash: &mut impl Flash,
        number: u16,
        out: &mut [u8],
    ) -> Result<Option<usize>, FlashError> {
        let mut buffer = [0; BUFFER];
        let mut map = self.map(flash)?;
        let Some(value) = done(map.fetch_item::<&[u8]>(&mut buffer, &number))? else {
            return Ok(None);
        };
        let room = out.get_mut(..value.len()).ok_or(FlashError::Damaged)?;
        room.copy_from_slice(value);
        Ok(Some(value.len()))
    }

    /// Shows every record, oldest first; of several of one number the last counts.
    pub(super) fn each(
        &self,
        flash: &mut impl Flash,
        mut see: impl FnMut(u16, &[u8]),
    ) -> Result<(), FlashError> {
        let mut buffer = [0; BUFFER];
        let mut map = self.map(flash)?;
        let mut records = done(map.fetch_all_items(&mut buffer))?;
        while let Some((number, value)) = done(records.next::<&[u8]>(&mut buffer))? {
            see(number, value);
        }
        Ok(())
    }
}

/// The result of a future that has no reason to wait.
fn done<T>(future: impl Future<Output = Result<T, MapError>>) -> Result<T, FlashError> {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(Ok(value)) => Ok(value),
        Poll::Ready(Err(error)) => Err(match error {
            MapError::Storage { value, .. } => value,
            MapError::FullStorage => FlashError::Full,
            _ => FlashError::Damaged,
        }),
        Poll::Pending => Err(FlashError::Broken),
    }
}
