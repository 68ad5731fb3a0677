//! What of a source is sent besides its record.

use std::sync::Arc;

use fasp_core::metadata::attributes::AttributesRecord;
use fasp_core::units::ObjectId;

use crate::storage::docroot::Docroot;
use crate::storage::stored_attributes::{OwnedAttributes, SentAttributes};
use crate::storage::walk::{SourceItem, SourceProblem};

/// An item with what is sent of it besides its record; `None` if it is not sent at all.
pub(super) fn described(
    item: Result<SourceItem, SourceProblem>,
    docroot: &Arc<Docroot>,
    sent: SentAttributes,
) -> Option<Result<SourceItem, SourceProblem>> {
    let mut item = match item {
        Ok(item) if sent.any() || item.splits => item,
        other => return Some(other),
    };
    match sent.read(docroot, &item) {
        Ok(attributes) => {
            let attributes = attributes?;
            let has_any = attributes != OwnedAttributes::default();
            item.attributes = has_any.then(|| Box::new(attributes));
            Some(Ok(item))
        }
        Err(problem) => Some(Err(problem)),
    }
}

/// The record of the attributes of `item`, if it has any to send.
pub(super) fn attributes_of(object: ObjectId, item: &SourceItem) -> Option<AttributesRecord<'_>> {
    let attributes = item.attributes.as_ref()?;
    Some(AttributesRecord {
        object,
        owner_uid: attributes.uid,
        owner_gid: attributes.gid,
        stored: &attributes.stored,
        part_of: attributes.part_of,
    })
}
