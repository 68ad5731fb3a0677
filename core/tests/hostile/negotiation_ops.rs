//! Any client's wishes against any server's limits, with the messages between them changed on the way.
//!
//! Model: unchanged messages make both sides agree on terms that neither wish nor limit exceeds, and on the same
//! key inputs; a change on the way is refused or leaves the two sides with different key inputs.

use fasp_core::control::choices::{
    OverwriteRule, Preserve, RatePolicy, ResumeLevel, TransferDirection,
};
use fasp_core::control::framing::{HEADER_LEN, RawMessage};
use fasp_core::control::{ChecksumKind, MAX_TOKEN, RecordTerms, SecurityTerms};
use fasp_core::crypto::{CipherSuite, SessionSecret};
use fasp_core::negotiation::cipher_choice::{CipherWish, KeyBits};
use fasp_core::negotiation::initiator::{Answer, ClientWishes, Initiator, Opened};
use fasp_core::negotiation::responder::{
    Accepted, RateRules, ServerLimits, ServerSide, read_hello,
};
use fasp_core::negotiation::{Capabilities, Terms};
use fasp_core::units::{BitRate, ConnectionId};

use crate::choices::Choices;

const SUITES: [CipherSuite; 7] = [
    CipherSuite::AuthOnly,
    CipherSuite::Aes128Gcm,
    CipherSuite::Aes192Gcm,
    CipherSuite::Aes256Gcm,
    CipherSuite::Aes128Cfb,
    CipherSuite::Aes192Cfb,
    CipherSuite::Aes256Cfb,
];

/// How an opening ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Ending {
    /// One side's own wishes or limits cannot be said.
    Unsayable,
    /// The server refused.
    Refused,
    /// Both sides agree.
    Agreed,
    /// The client saw that the answer is wrong.
    Distrusted,
    /// Nobody noticed a change on the way, and the keys do not fit.
    KeysDiffer,
}

/// Plays one opening that `bytes` spell out.
pub fn run(bytes: &[u8]) -> Ending {
    let mut choices = Choices(bytes);
    let wishes = wishes(&mut choices);
    let suites = choices.pick(&[&SUITES[..], &SUITES[1..], &SUITES[4..], &SUITES[3..4], &[]]);
    let policies = choices.pick(&[&RatePolicy::ALL[..], &RatePolicy::ALL[2..], &[]]);
    let limits = ServerLimits {
        suites,
        policies,
        target_rate_cap: BitRate(choices.number()),
        default_target_rate: BitRate(choices.number()),
        rate_rules: RateRules::FREE,
        max_resume: level(&mut choices),
        preserve: Preserve::default(),
        checksums: choices.below(2) == 1,
        default_checksum: choices.pick(&[None, Some(ChecksumKind::Sha1)]),
        capabilities: capabilities(&mut choices),
    };
    play(&mut choices, &wishes, &limits)
}

fn play(choices: &mut Choices<'_>, wishes: &ClientWishes<'_>, limits: &ServerLimits<'_>) -> Ending {
    let mut hello = [0; 6_000];
    let Ok((initiator, length)) = Initiator::open(wishes, SessionSecret::new([1; 32]), &mut hello)
    else {
        return Ending::Unsayable;
    };
    let mut hello = hello[..length].to_vec();
    let hello_changed = meddle(choices, &mut hello);
    let mut answer = vec![0; 6_000];
    let side = ServerSide {
        secret: SessionSecret::new([2; 32]),
        connection: ConnectionId::new(choices.u32()),
        udp_port: choices.number() as u16,
        udp_address: choices.pick(&[None, Some("192.0.2.1:33001"), Some("")]),
        renames: choices.below(2) == 1,
        program: "server",
    };
    let accepted = match read_hello(raw(&hello), limits) {
        Ok(proposal) => match proposal.accept(side, &mut answer) {
            Ok(accepted) => accepted,
            Err(_) => return Ending::Unsayable,
        },
        Err(refusal) => {
            let length = refusal.encode(&mut answer).expect("room");
            expect_rejected(initiator, &answer[..length]);
            return Ending::Refused;
        }
    };
    check_server(accepted.agreement.terms(), limits);
    answer.truncate(accepted.len);
    let answer_changed = meddle(choices, &mut answer);
    match initiator.handle_answer(raw(&answer)) {
        Ok(Answer::Accepted(opened)) => {
            check_client(opened.agreement.terms(), wishes);
            compare(&accepted, &opened, hello_changed || answer_changed)
        }
        Ok(Answer::Rejected { .. }) => panic!("an ACCEPT was read as REJECT"),
        Err(error) => {
            let changed = hello_changed || answer_changed;
            assert!(changed, "an honest answer was refused: {error}");
            Ending::Distrusted
        }
    }
}

fn expect_rejected(initiator: Initiator, answer: &[u8]) {
    assert!(matches!(
        initiator.handle_answer(raw(answer)),
        Ok(Answer::Rejected { .. })
    ));
}

/// Same terms seen from both ends and same keys, unless somebody meddled; then never the same keys.
fn compare(accepted: &Accepted, opened: &Opened<'_>, changed: bool) -> Ending {
    let same_keys = accepted.keys.transcript_hash == opened.keys.transcript_hash
        && accepted.keys.client_secret.as_bytes() == opened.keys.client_secret.as_bytes()
        && accepted.keys.server_secret.as_bytes() == opened.keys.server_secret.as_bytes();
    assert_eq!(same_keys, !changed, "keys and bytes on the way disagree");
    if changed {
        return Ending::KeysDiffer;
    }
    let (server, client) = (accepted.agreement.terms(), opened.agreement.terms());
    let mirrored = Terms {
        sends: !server.sends,
        own_connection: server.peer_connection,
        peer_connection: server.own_connection,
        peer_max_body: client.peer_max_body,
        ..*server
    };
    assert_eq!(mirrored, *client);
    Ending::Agreed
}

fn check_server(terms: &Terms, limits: &ServerLimits<'_>) {
    let can = &limits.capabilities;
    assert!(limits.suites.contains(&terms.suite), "{terms:?}");
    assert!(limits.policies.contains(&terms.policy), "{terms:?}");
    assert!(terms.resume <= limits.max_resume, "{terms:?}");
    assert!(terms.target_rate <= limits.target_rate_cap, "{terms:?}");
    assert!(terms.minimum_rate <= terms.target_rate, "{terms:?}");
    check_windows(terms, can);
}

fn check_client(terms: &Terms, wishes: &ClientWishes<'_>) {
    assert!(wishes.cipher.suites().contains(&terms.suite), "{terms:?}");
    assert_eq!(terms.policy, wishes.policy);
    assert_eq!(terms.resume, wishes.resume);
    assert_eq!(terms.overwrite, wishes.overwrite);
    assert!(
        wishes.target_rate.0 == 0 || terms.target_rate <= wishes.target_rate,
        "{terms:?}"
    );
    assert!(terms.minimum_rate <= wishes.minimum_rate, "{terms:?}");
    check_windows(terms, &wishes.capabilities);
}

fn check_windows(terms: &Terms, can: &Capabilities) {
    assert!(terms.max_datagram <= can.max_datagram, "{terms:?}");
    assert!(terms.report_size <= can.report_size, "{terms:?}");
    assert!(terms.object_window <= can.object_window, "{terms:?}");
    assert!(terms.packet_window <= can.packet_window, "{terms:?}");
    assert!(terms.metadata_window <= can.metadata_window, "{terms:?}");
}

/// Changes the body of a message or leaves it alone; whether it did.
fn meddle(choices: &mut Choices<'_>, message: &mut Vec<u8>) -> bool {
    let before = message.clone();
    match choices.below(8) {
        0 => {
            let length = usize::from(choices.u8()) % (message.len() - HEADER_LEN + 1);
            message.truncate(message.len() - length);
        }
        1 => message.extend(choices.bytes(20)),
        2 | 3 => {
            let place = choices.u64() as usize % (message.len() - HEADER_LEN).max(1);
            if let Some(byte) = message.get_mut(HEADER_LEN + place) {
                *byte ^= choices.u8();
            }
        }
        _ => {}
    }
    *message != before
}

fn raw(message: &[u8]) -> RawMessage<'_> {
    RawMessage {
        kind: message[HEADER_LEN - 1],
        body: &message[HEADER_LEN..],
    }
}

fn wishes(choices: &mut Choices<'_>) -> ClientWishes<'static> {
    let bits = choices.pick(&[KeyBits::B128, KeyBits::B192, KeyBits::B256]);
    ClientWishes {
        direction: choices.pick(&[TransferDirection::Upload, TransferDirection::Download]),
        cipher: choices.pick(&[
            CipherWish::None,
            CipherWish::Aes(bits),
            CipherWish::AesGcm(bits),
            CipherWish::AesCfb(bits),
        ]),
        connection: ConnectionId::new(choices.u32()),
        fixed_datagram: choices.pick(&[None, Some(1_000), Some(296), Some(65_507), Some(1)]),
        target_rate: BitRate(choices.number()),
        minimum_rate: BitRate(choices.number()),
        policy: choices.pick(&RatePolicy::ALL),
        resume: level(choices),
        overwrite: choices.pick(&[
            OverwriteRule::Diff,
            OverwriteRule::Never,
            OverwriteRule::Always,
        ]),
        preserve: Preserve::default(),
        udp_port: choices.number() as u16,
        destination: choices.pick(&[&b""[..], b"a/b", b"..", &[0xFF; 40]]),
        create_destination: choices.below(2) == 1,
        measures: choices.below(2) == 1,
        renames_again: choices.below(2) == 1,
        selects: choices.below(2) == 1,
        saves_old: false,
        deletes: false,
        files: fasp_core::control::FileWishes::default(),
        sources: choices.number() as u32,
        records: RecordTerms {
            checksum: choices.pick(&[None, Some(ChecksumKind::Md5)]),
            labels: choices.below(5),
            job_size: choices.below(2) == 1,
            block_size: choices.u32(),
            log_folder: choices.below(2) == 1,
        },
        security: SecurityTerms {
            renamed_suffix: choices.pick(&[None, Some(&b".aspera-env"[..])]),
            token: choices.pick(&[None, Some(&b"token"[..]), Some(&[b'x'; MAX_TOKEN])]),
        },
        capabilities: capabilities(choices),
        program: "client",
    }
}

fn capabilities(choices: &mut Choices<'_>) -> Capabilities {
    let wild = choices.below(4) == 0;
    let mut of = |usual: u64| if wild { choices.number() } else { usual };
    Capabilities {
        max_datagram: of(1_472) as u16,
        report_size: of(1_200) as u16,
        object_window: of(4_096) as u32,
        packet_window: of(65_536) as u32,
        metadata_window: of(1 << 20) as u32,
        max_body: of(1 << 20) as u32,
    }
}

fn level(choices: &mut Choices<'_>) -> ResumeLevel {
    choices.pick(&[
        ResumeLevel::Restart,
        ResumeLevel::Attributes,
        ResumeLevel::Sparse,
        ResumeLevel::Full,
    ])
}
