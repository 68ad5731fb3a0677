//! How control messages reach an appliance: through SSH, as those of every `ascp` do.

mod authorized_key;
mod farewell;
mod ssh;

pub use authorized_key::parse_authorized_key;
pub(crate) use farewell::turn_away;
pub(crate) use ssh::{Carried, SshServer, SshState};
