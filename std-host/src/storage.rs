//! Files on the local disk, for both roles; the threads that serve the network never wait here.
//!
//! Sending: `walk` lists the sources, `source_files` hands out their bytes from memory that a
//! reader thread fills ahead. Receiving: `write_behind` takes jobs and reports completions.
//! Every path is resolved by `docroot`, which alone decides what can be reached.

pub mod after_transfer;
pub mod attributes;
pub mod byte_ranges;
mod checker;
pub mod checksum;
mod chunks;
pub(crate) mod control_file;
#[cfg(test)]
mod crash_tests;
pub mod create_modes;
pub mod destination_tree;
mod disk;
pub mod disk_fault;
pub mod docroot;
pub mod faux;
pub mod file_rules;
mod finishing;
mod folders;
mod hash_tree;
pub mod links;
pub mod mirror;
mod partial_file;
mod read_ahead;
pub mod restrictions;
mod saved_copy;
pub mod selection;
pub mod source_files;
pub mod source_list;
pub mod split_file;
pub mod stored_attributes;
pub mod waker;
pub mod walk;
pub mod write_behind;
mod writer;
