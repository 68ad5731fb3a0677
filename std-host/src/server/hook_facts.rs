//! What the administrator's program is told of a session.

use std::net::IpAddr;
use std::sync::Arc;

use fasp_core::control::Hello;
use fasp_core::control::choices::{RatePolicy, TransferDirection};
use fasp_core::crypto::CipherSuite;
use tokio::sync::Notify;

use super::SessionRights;
use super::hooks::{Hooks, Variables};
use super::labels::ClientLabels;
use crate::failure::Outcome;
use crate::logging::Logger;
use crate::session::fresh_uuid;

/// Asks the administrator's program, if there is one, whether there may be such a session.
pub(super) async fn start(
    hello: &Hello<'_>,
    rights: &SessionRights,
    labels: &ClientLabels,
    (logger, peer): (&Logger, IpAddr),
) -> Outcome<Option<(Hooks, Arc<Notify>)>> {
    let Some(program) = rights.hook.clone() else {
        return Ok(None);
    };
    let session = session_variables(hello, rights, labels, peer)?;
    let refused = Arc::new(Notify::new());
    let hooks = Hooks::start(program, session, logger.clone(), Arc::clone(&refused)).await?;
    Ok(Some((hooks, refused)))
}

/// What every call of the administrator's program is told.
fn session_variables(
    hello: &Hello<'_>,
    rights: &SessionRights,
    labels: &ClientLabels,
    peer: IpAddr,
) -> Outcome<Variables> {
    let sends = hello.direction == TransferDirection::Download;
    let flow = rights.rules.flow(hello.direction);
    let target = hello.target_rate.min(flow.target_cap);
    // What is agreed is not known yet: a client that accepts clear text may get it.
    let encrypts = hello
        .suites
        .iter()
        .filter_map(|number| CipherSuite::from_id(*number))
        .all(CipherSuite::encrypts);
    let is_fixed = hello.policy == RatePolicy::Fixed;
    let label = |label: &Option<Vec<u8>>| label.clone().unwrap_or_default();
    let text = |text: &str| text.as_bytes().to_vec();
    let docroots: Vec<&[u8]> = rights
        .rules
        .docroots
        .iter()
        .map(|docroot| docroot.path.as_os_str().as_encoded_bytes())
        .collect();
    let docroot = docroots.join(&b':');
    Ok(vec![
        ("SESSIONID", fresh_uuid()?.into_bytes()),
        ("USER", text(&rights.user)),
        (
            "USERID",
            rustix::process::getuid().as_raw().to_string().into_bytes(),
        ),
        ("USERSTR", label(&labels.user_string)),
        ("COOKIE", label(&labels.cookie)),
        ("PEER", peer.to_string().into_bytes()),
        ("DIRECTION", text(if sends { "send" } else { "recv" })),
        ("SECURE", text(if encrypts { "yes" } else { "no" })),
        ("TARGETRATE", (target.0 / 1_000).to_string().into_bytes()),
        (
            "MINRATE",
            (hello.minimum_rate.0 / 1_000).to_string().into_bytes(),
        ),
        ("RATEMODE", text(if is_fixed { "fixed" } else { "adapt" })),
        ("SOURCE", if sends { docroot.clone() } else { Vec::new() }),
        (
            "TARGET",
            if sends {
                Vec::new()
            } else {
                hello.destination.to_vec()
            },
        ),
        ("DOCROOT", docroot),
    ])
}
