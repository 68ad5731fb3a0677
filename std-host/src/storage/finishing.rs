//! What must wait for the disk, beside the writers: checkpoints, and complete files on their way to their names.
//!
//! A file gets its name only after its bytes are on the disk, and its result is told only after the name is there
//! too. Files that come close together are brought to the disk together, and with them the names of those before: a
//! wait for each would take most of the time where they are small.

mod descriptors;
mod finisher;

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use fasp_core::units::ObjectId;

use self::descriptors::{Descriptors, Taken};
use self::finisher::Finisher;
use super::folders::Folders;
use super::partial_file::{Checkpoint, PartialFile};
use super::write_behind::{Shared, start_thread};
use crate::failure::Outcome;

/// Complete files that wait before the writers do.
const MOST_WAITING: usize = 1_024;
/// Checkpoints that wait; there is never more than one of a file.
const MOST_CHECKPOINTS: usize = 64;

/// A complete file.
#[derive(Debug)]
pub(super) struct Finished {
    object: ObjectId,
    file: Box<PartialFile>,
    /// Where it stays open.
    descriptor: Option<Taken>,
}

/// Where writers bring what must wait for the disk.
#[derive(Clone, Debug)]
pub(super) enum Finishing {
    /// Threads of their own.
    Aside {
        /// Complete files.
        files: SyncSender<Finished>,
        /// What the resumable ones among them keep open.
        descriptors: Arc<Descriptors>,
        /// Checkpoints.
        checkpoints: SyncSender<Checkpoint>,
    },
    /// At once, in the thread of the writer.
    #[cfg(test)]
    AtOnce,
}

/// Starts the threads; they end when nobody can bring them anything.
pub(super) fn start(shared: &Arc<Shared>, threads: &mut Vec<JoinHandle<()>>) -> Outcome<Finishing> {
    let (files, incoming) = sync_channel(MOST_WAITING);
    let (checkpoints, due) = sync_channel::<Checkpoint>(MOST_CHECKPOINTS);
    let finisher = Finisher::new(Arc::clone(shared));
    threads.push(start_thread("file-finisher", move || {
        finisher.run(&incoming)
    })?);
    threads.push(start_thread("file-checkpoint", move || {
        for checkpoint in due {
            checkpoint.carry_out();
        }
    })?);
    Ok(Finishing::Aside {
        files,
        descriptors: Arc::default(),
        checkpoints,
    })
}

impl Finishing {
    /// Carries out a checkpoint. Where too many wait it is dropped, and due again soon.
    pub(super) fn carry_out(&self, checkpoint: Checkpoint) {
        match self {
            Self::Aside { checkpoints, .. } => {
                if let Err(TrySendError::Disconnected(checkpoint)) =
                    checkpoints.try_send(checkpoint)
                {
                    checkpoint.carry_out();
                }
            }
            #[cfg(test)]
            Self::AtOnce => checkpoint.carry_out(),
        }
    }

    /// Gives a complete file its name, and its result to `shared`.
    pub(super) fn deliver(
        &self,
        object: ObjectId,
        mut file: Box<PartialFile>,
        shared: &Shared,
        folders: &mut Folders,
    ) {
        let descriptor = match self {
            Self::Aside { descriptors, .. } if file.is_resumable() => Some(descriptors.take()),
            Self::Aside { .. } => {
                // Nobody else can mean it, so that its name is enough to find it again.
                file.close();
                None
            }
            #[cfg(test)]
            Self::AtOnce => None,
        };
        let finished = Finished {
            object,
            file,
            descriptor,
        };
        let unsent = match self {
            Self::Aside { files, .. } => files.send(finished).err().map(|unsent| unsent.0),
            #[cfg(test)]
            Self::AtOnce => Some(finished),
        };
        if let Some(finished) = unsent {
            finisher::finish_at_once(finished, shared, folders);
        }
    }
}
