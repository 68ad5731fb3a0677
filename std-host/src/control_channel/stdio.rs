//! The server's control channel when the system's sshd started `ascp --server`.
//!
//! Standard input and output are the channel; sshd tells the addresses in the environment.
//!
//! Source: `SSH_CONNECTION` is "client address, client port, server address, server port" and
//! `SSH_CLIENT` its older form without the server address (ssh(1), section ENVIRONMENT).

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::AsyncWriteExt;

use super::{ControlChannel, Lifeline, RemoteEnd};

/// The channel over this process's standard input and output.
///
/// The peer's address is unspecified when the environment does not name it. Finishing flushes;
/// the exit status is the process's own business.
#[must_use]
pub fn from_process() -> ControlChannel {
    let connection = std::env::var("SSH_CONNECTION").ok();
    let client = std::env::var("SSH_CLIENT").ok();
    let (peer, local) = addresses(connection.as_deref(), client.as_deref());
    ControlChannel {
        reader: Box::new(tokio::io::stdin()),
        writer: Box::new(tokio::io::stdout()),
        peer,
        local,
        remote: RemoteEnd::silent(),
        warnings: Vec::new(),
        lifeline: Lifeline::new(|mut writer, _status| async move {
            // The peer may be gone already; there is nobody left to tell.
            let _ = writer.shutdown().await;
        }),
    }
}

fn addresses(connection: Option<&str>, client: Option<&str>) -> (IpAddr, IpAddr) {
    let mut fields = connection.or(client).unwrap_or_default().split(' ');
    let peer = address(fields.next());
    let local = address(fields.nth(1).filter(|_| connection.is_some()));
    (peer, local)
}

/// An address as sshd writes it: IPv6 may carry a zone, IPv4 may be mapped into IPv6.
fn address(field: Option<&str>) -> IpAddr {
    field
        .and_then(|text| text.split('%').next())
        .and_then(|text| text.parse::<IpAddr>().ok())
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(connection: Option<&str>, client: Option<&str>) -> (String, String) {
        let (peer, local) = addresses(connection, client);
        (peer.to_string(), local.to_string())
    }

    #[test]
    fn both_addresses_come_from_ssh_connection() {
        assert_eq!(
            parsed(Some("192.0.2.7 50022 198.51.100.1 22"), None),
            ("192.0.2.7".to_owned(), "198.51.100.1".to_owned())
        );
        assert_eq!(
            parsed(Some("fe80::1%eth0 50022 fe80::2%eth0 22"), None),
            ("fe80::1".to_owned(), "fe80::2".to_owned())
        );
        assert_eq!(
            parsed(Some("::ffff:192.0.2.7 1 ::ffff:192.0.2.8 22"), None).0,
            "192.0.2.7"
        );
    }

    #[test]
    fn the_older_variable_knows_the_client_only() {
        assert_eq!(
            parsed(None, Some("192.0.2.7 50022 22")),
            ("192.0.2.7".to_owned(), "0.0.0.0".to_owned())
        );
    }

    #[test]
    fn without_sshd_both_addresses_are_unspecified() {
        let nowhere = ("0.0.0.0".to_owned(), "0.0.0.0".to_owned());
        assert_eq!(parsed(None, None), nowhere);
        assert_eq!(parsed(Some("UNKNOWN 65535 UNKNOWN 65535"), None), nowhere);
    }
}
