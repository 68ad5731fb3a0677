//! The bytes of a hostile SSH server, for fuzzing: greeting, packets in clear, algorithm lists.

use super::key_exchange;
use super::packets::Incoming;
use super::wire::Fields;

/// Reads `bytes` as the beginning of a connection, as far as a server gets without knowing any key.
pub fn stream(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let mut incoming = Incoming::new(bytes);
        if incoming.line().await.is_err() {
            return;
        }
        while let Ok(payload) = incoming.packet().await {
            let ours = ["ssh-ed25519".to_owned()];
            let _ = key_exchange::agree(&ours, &payload, None);
            read_fields(&payload);
        }
    });
}

fn read_fields(payload: &[u8]) {
    let Ok((_, mut fields)) = Fields::of(payload) else {
        return;
    };
    while fields.names().is_ok() {}
    if let Ok((_, mut fields)) = Fields::of(payload) {
        while fields.string().is_ok() {}
    }
}
