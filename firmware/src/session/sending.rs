//! A download: the sending machine, fed from the storage.

use fasp_core::control::Rate;
use fasp_core::crypto::{Opener, Sealer};
use fasp_core::fault::Fault;
use fasp_core::metadata::{ObjectKind, OpenRecord};
use fasp_core::negotiation::Agreement;
use fasp_core::rate_control::RateLimits;
use fasp_core::sender::{
    FinishOutcome, ObjectSource, OfferError, PathTrust, ReadOutcome, Sender, SenderEvent, Transmit,
};
use fasp_core::time::Instant;
use fasp_core::units::ObjectId;

use super::Ground;
use super::outbox::Outbox;
use super::paths::Path;
use super::running::News;
use super::source_walk::{Item, Problem, SourceWalk, Sources};
use crate::host::{Event, Host};
use crate::storage::{Entry, Storage};

/// Datagrams that are put together at a time: the socket takes them one by one anyway.
const SEGMENTS: usize = 1;
/// Offers are made so many at a time, so that a long list of small files does not hold up the datagrams.
const OFFERS: usize = 4;

/// Permission bits of what an appliance sends: it keeps none.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// An object on offer.
#[derive(Debug)]
struct Offered<F> {
    object: ObjectId,
    path: Path,
    name_at: usize,
    entry: Entry,
    /// Open; nothing for a folder.
    file: Option<F>,
    /// Why it could not be read.
    fault: Option<Fault>,
}

impl<F> Offered<F> {
    fn record(&self) -> OpenRecord<'_> {
        let (kind, mode) = if self.entry.is_folder {
            (ObjectKind::Directory, FOLDER_MODE)
        } else {
            (ObjectKind::File, FILE_MODE)
        };
        OpenRecord {
            object: self.object,
            path: self.path.get(self.name_at..).unwrap_or_default(),
            kind,
            size: self.entry.size,
            modified_ns: self.entry.modified_ns,
            accessed_ns: self.entry.modified_ns,
            mode,
        }
    }
}

/// The objects on offer and the storage they are on, as the machine sees them.
struct Source<'s, S: Storage, const OBJECTS: usize> {
    storage: &'s mut S,
    offered: &'s mut heapless::Vec<Offered<S::File>, OBJECTS>,
}

impl<S: Storage, const OBJECTS: usize> Source<'_, S, OBJECTS> {
    fn find(&mut self, object: ObjectId) -> Option<&mut Offered<S::File>> {
        self.offered
            .iter_mut()
            .find(|offered| offered.object == object)
    }
}

impl<S: Storage, const OBJECTS: usize> ObjectSource for Source<'_, S, OBJECTS> {
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        let storage = &mut *self.storage;
        let found = self.offered.iter_mut().find(|each| each.object == object);
        let Some(offered) = found else {
            return ReadOutcome::Failed(Fault::NoSuchFile);
        };
        let Some(file) = &mut offered.file else {
            return ReadOutcome::Failed(Fault::NotRegular);
        };
        match storage.read_at(file, offset, buffer) {
            Ok(()) => ReadOutcome::Filled,
            Err(error) => {
                let fault = error.while_reading();
                offered.fault = Some(fault);
                ReadOutcome::Failed(fault)
            }
        }
    }

    fn finish(&mut self, object: ObjectId) -> FinishOutcome {
        let storage = &mut *self.storage;
        let found = self.offered.iter_mut().find(|each| each.object == object);
        let Some(offered) = found else {
            return FinishOutcome::Failed(Fault::NoSuchFile);
        };
        match storage.stat(&offered.path) {
            Ok(entry) if entry == offered.entry => FinishOutcome::Unchanged,
            _ => {
                offered.fault = Some(Fault::DiskRead);
                FinishOutcome::Failed(Fault::DiskRead)
            }
        }
    }

    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>> {
        self.find(object).map(|offered| offered.record())
    }
}

/// A running download.
#[derive(Debug)]
pub(super) struct Sending<S: Storage, const PACKETS: usize, const OBJECTS: usize, const META: usize>
{
    sender: Sender<PACKETS, OBJECTS, META>,
    offered: heapless::Vec<Offered<S::File>, OBJECTS>,
    walk: SourceWalk,
    /// Found, and there was no room to offer it.
    next: Option<Item>,
    walked: bool,
    summary_seen: bool,
}

impl<S: Storage, const PACKETS: usize, const OBJECTS: usize, const META: usize>
    Sending<S, PACKETS, OBJECTS, META>
{
    pub(super) fn new(
        agreement: &Agreement,
        sealer: Sealer,
        opener: Opener,
        trust: PathTrust,
        sources: Sources,
        now: Instant,
    ) -> Self {
        Self {
            sender: Sender::new(agreement, sealer, opener, trust, now),
            offered: heapless::Vec::new(),
            walk: SourceWalk::new(sources),
            next: None,
            walked: false,
            summary_seen: false,
        }
    }

    /// `true` if the datagram is authentic.
    pub(super) fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) -> bool {
        self.sender.handle_datagram(now, datagram).is_ok()
    }

    pub(super) fn prove_path(&mut self) {
        self.sender.prove_path();
    }

    pub(super) fn set_limits(&mut self, rate: Rate) {
        self.sender.set_limits(RateLimits {
            target: rate.target,
            minimum: rate.minimum,
            policy: rate.policy,
        });
    }

    pub(super) const fn on_summary(&mut self) {
        self.summary_seen = true;
    }

    pub(super) const fn has_summary(&self) -> bool {
        self.summary_seen
    }

    /// Offers what there is room for, and learns what became of what was sent.
    pub(super) fn advance<H: Host>(
        &mut self,
        now: Instant,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) -> News {
        for _ in 0..OFFERS {
            if self.walked || !self.offer_next(ground, outbox) {
                break;
            }
        }
        self.sender.handle_timeout(now);
        let mut news = News::default();
        while let Some(event) = self.sender.poll_event() {
            match event {
                SenderEvent::Connected => news.connected = true,
                SenderEvent::Skipped { first, last } => {
                    self.over(first, last, None, ground, outbox)
                }
                SenderEvent::Finished { first, last, fault } => {
                    self.over(first, last, fault, ground, outbox);
                }
                SenderEvent::Settled => news.settled = true,
                SenderEvent::Failed(fault) => news.failure = Some(fault),
                _ => {}
            }
        }
        news
    }

    /// `false` if nothing more can be offered now.
    fn offer_next<H: Host>(
        &mut self,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) -> bool {
        if self.sender.next_object().is_none() || self.offered.is_full() {
            return false;
        }
        let item = match self.next.take() {
            Some(item) => item,
            None => match self.walk.next(ground.storage) {
                Some(Ok(item)) => item,
                Some(Err(Problem(path, fault))) => {
                    problem(&path, fault, ground, outbox);
                    return true;
                }
                None => {
                    self.walked = true;
                    self.sender.end_offers();
                    return false;
                }
            },
        };
        self.offer(item, ground, outbox)
    }

    fn offer<H: Host>(
        &mut self,
        item: Item,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) -> bool {
        let Some(object) = self.sender.next_object() else {
            self.next = Some(item);
            return false;
        };
        let (file, entry) = if item.entry.is_folder {
            (None, item.entry)
        } else {
            match ground.storage.open(&item.path) {
                Ok((file, entry)) => (Some(file), entry),
                Err(error) => {
                    problem(&item.path, error.while_reading(), ground, outbox);
                    return true;
                }
            }
        };
        let offered = Offered {
            object,
            path: item.path,
            name_at: item.name_at,
            entry,
            file,
            fault: None,
        };
        match self.sender.offer(&offered.record()) {
            Ok(()) => {
                // There is room: that was looked at before.
                let _ = self.offered.push(offered);
                true
            }
            Err(error) => {
                if let Some(file) = offered.file {
                    ground.storage.close(file);
                }
                if error == OfferError::Full {
                    self.next = Some(Item {
                        path: offered.path,
                        name_at: offered.name_at,
                        entry: offered.entry,
                    });
                    return false;
                }
                problem(&offered.path, Fault::FilePathTooLong, ground, outbox);
                true
            }
        }
    }

    /// These objects have their results.
    fn over<H: Host>(
        &mut self,
        first: ObjectId,
        last: ObjectId,
        fault: Option<Fault>,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        let is_over = |offered: &Offered<S::File>| (first..=last).contains(&offered.object);
        while let Some(at) = self.offered.iter().position(is_over) {
            let offered = self.offered.swap_remove(at);
            if let Some(file) = offered.file {
                ground.storage.close(file);
            }
            let path = &offered.path;
            match fault {
                None if offered.entry.is_folder => {}
                None => ground.host.observe(&Event::Done {
                    path,
                    size: offered.entry.size,
                }),
                Some(fault) => {
                    if let Some(own) = offered.fault {
                        outbox.push_file_error(Some(offered.object), path, own);
                    }
                    ground.host.observe(&Event::Failed { path, fault });
                }
            }
        }
    }

    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
        out: &mut [u8],
        storage: &mut S,
    ) -> Option<Transmit> {
        let mut source = Source {
            storage,
            offered: &mut self.offered,
        };
        self.sender.poll_transmit(now, out, SEGMENTS, &mut source)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.sender.poll_timeout()
    }

    /// The session ends: with a fault the client is told a few times.
    pub(super) fn end<H: Host>(&mut self, fault: Option<Fault>, ground: &mut Ground<'_, '_, S, H>) {
        while let Some(offered) = self.offered.pop() {
            if let Some(file) = offered.file {
                ground.storage.close(file);
            }
        }
        if fault.is_some() {
            self.sender.close(fault);
        }
    }
}

/// A source that never becomes an object.
fn problem<S, H: Host>(
    path: &[u8],
    fault: Fault,
    ground: &mut Ground<'_, '_, S, H>,
    outbox: &mut Outbox,
) {
    outbox.push_file_error(None, path, fault);
    ground.host.observe(&Event::Failed { path, fault });
}
