//! Logging in to an SSH server: the keys in order, then the password.
//!
//! Every attempt is complete from the start: a key comes with its signature, without asking
//! first whether the server would take it, and the request for a session follows in the same
//! flight where the server is known to cope with one that comes too early. Any other server is
//! spared that: RFC 4252 section 6 wants it to hang up.
//!
//! Source: RFC 4252 (publickey, password), RFC 4256 (keyboard-interactive), RFC 8332 (RSA with
//! SHA-2), RFC 8308 (`server-sig-algs`).

use russh::keys::signature::Signer;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey};

use super::connection::Connection;
use super::wire::{Fields, Message, number};
use super::{Refusal, SshError, SshTarget, authentication_failure};
use crate::control_channel::identity::{Identities, Identity};
use crate::control_channel::server_text;

const CONNECTION_SERVICE: &str = "ssh-connection";

/// Rounds of keyboard-interactive questions before we give up, and questions in a round.
const MAX_QUESTION_ROUNDS: usize = 4;
const MAX_QUESTIONS: u32 = 8;

/// Servers that answer a request that comes too early instead of hanging up.
const PATIENT_SERVERS: [&str; 2] = ["SSH-2.0-OpenSSH_", "SSH-2.0-ascpd_"];

/// One way to log in.
enum Attempt<'a> {
    Key(&'a Identity),
    Password(&'a str),
    /// The password as the answer to every question.
    Questions(&'a str),
}

impl Attempt<'_> {
    fn method(&self) -> &'static str {
        match self {
            Self::Key(_) => "publickey",
            Self::Password(_) => "password",
            Self::Questions(_) => "keyboard-interactive",
        }
    }
}

/// What the server said to an attempt.
enum Answer {
    /// Whether the request that came along still awaits its answer.
    Admitted { request_stands: bool },
    /// These methods may go on.
    Refused(Vec<String>),
}

/// Logs in. `request` is what follows a login; true when it was sent along already.
pub(super) async fn log_in(
    connection: &mut Connection,
    target: &SshTarget,
    identities: &Identities,
    request: &Message,
) -> Result<bool, Refusal> {
    let attempts = attempts(target, identities);
    let is_patient = PATIENT_SERVERS
        .iter()
        .any(|name| connection.server_id.starts_with(name));
    let mut login = Login {
        connection,
        user: &target.user,
        signature_algorithms: None,
    };
    login.queue(&Message::new(number::SERVICE_REQUEST).string("ssh-userauth"))?;
    let mut refused = identities.problems.clone();
    let mut allowed: Option<Vec<String>> = None;
    for attempt in &attempts {
        let method = attempt.method();
        if allowed
            .as_ref()
            .is_some_and(|list| !list.iter().any(|name| name == method))
        {
            continue;
        }
        let ahead = is_patient && !matches!(attempt, Attempt::Questions(_));
        let request = Some(request).filter(|_| ahead);
        match login.attempt(attempt, request).await {
            Ok(Answer::Admitted { request_stands }) => return Ok(request_stands),
            Ok(Answer::Refused(methods)) => allowed = Some(methods),
            // A server that has seen enough hangs up instead of answering.
            Err(SshError::Disconnected(why)) => {
                refused.push(server_text::one_line(&why, server_text::SENTENCE));
                break;
            }
            Err(SshError::Closed) => {
                refused.push(SshError::Closed.to_string());
                break;
            }
            Err(error) => return Err(error.into()),
        }
        if let Attempt::Key(identity) = attempt {
            refused.push(format!("the server refused {}", identity.name));
        }
    }
    if let Some(key) = &identities.opened_by_passphrase {
        refused.push(format!(
            "ASPERA_SCP_PASS is the passphrase of {key} and was not sent as a password"
        ));
    } else if target.password.is_some() {
        refused.push(format!(
            "the server refused the password of {}",
            target.user
        ));
    }
    Err(authentication_failure(&refused).into())
}

fn attempts<'a>(target: &'a SshTarget, identities: &'a Identities) -> Vec<Attempt<'a>> {
    let mut attempts: Vec<Attempt<'a>> = identities.keys.iter().map(Attempt::Key).collect();
    // What opens a private key is nobody's business but the user's.
    let is_passphrase = identities.opened_by_passphrase.is_some();
    if let Some(password) = target.password.as_ref().filter(|_| !is_passphrase) {
        attempts.push(Attempt::Password(password));
        attempts.push(Attempt::Questions(password));
    }
    attempts
}

struct Login<'a> {
    connection: &'a mut Connection,
    user: &'a str,
    /// What the server said it accepts, if it did.
    signature_algorithms: Option<Vec<String>>,
}

impl Login<'_> {
    fn queue(&mut self, message: &Message) -> Result<(), SshError> {
        self.connection.outgoing.queue(message.bytes())
    }

    async fn attempt(
        &mut self,
        attempt: &Attempt<'_>,
        request: Option<&Message>,
    ) -> Result<Answer, SshError> {
        let message = match attempt {
            Attempt::Key(identity) => self.signed(&identity.key)?,
            Attempt::Password(password) => self.opening("password").flag(false).string(password),
            Attempt::Questions(_) => self.opening("keyboard-interactive").string("").string(""),
        };
        match attempt {
            Attempt::Password(_) => self.connection.outgoing.queue_veiled(message.bytes())?,
            Attempt::Key(_) | Attempt::Questions(_) => self.queue(&message)?,
        }
        let mut early = None;
        if let Some(request) = request {
            self.queue(request)?;
            early = Some(self.connection.outgoing.last_sequence());
        }
        self.connection.outgoing.flush().await?;
        self.answer(attempt, early).await
    }

    fn opening(&self, method: &str) -> Message {
        Message::new(number::USERAUTH_REQUEST)
            .string(self.user)
            .string(CONNECTION_SERVICE)
            .string(method)
    }

    /// A key with its signature over this session and this very request.
    fn signed(&self, key: &PrivateKey) -> Result<Message, SshError> {
        let hash = self.rsa_hash();
        let algorithm = match key.key_data() {
            KeypairData::Rsa(_) if hash == HashAlg::Sha256 => "rsa-sha2-256".to_owned(),
            KeypairData::Rsa(_) => "rsa-sha2-512".to_owned(),
            _ => key.algorithm().to_string(),
        };
        let blob = key.public_key().to_bytes().map_err(|_| SshError::Crypto)?;
        let request = self
            .opening("publickey")
            .flag(true)
            .string(algorithm)
            .string(blob);
        let covered = Message::fields()
            .string(&self.connection.session_id)
            .raw(request.bytes());
        let signature = sign(key, hash, covered.bytes())?;
        Ok(request.string(signature))
    }

    /// SHA-512 unless the server says that it knows SHA-256 only.
    fn rsa_hash(&self) -> HashAlg {
        let lists = |name: &str| {
            self.signature_algorithms
                .as_ref()
                .is_some_and(|list| list.iter().any(|known| known == name))
        };
        if lists("rsa-sha2-256") && !lists("rsa-sha2-512") {
            HashAlg::Sha256
        } else {
            HashAlg::Sha512
        }
    }

    /// Waits for the verdict; `early` is the number of the packet with the request.
    async fn answer(
        &mut self,
        attempt: &Attempt<'_>,
        mut early: Option<u32>,
    ) -> Result<Answer, SshError> {
        let mut rounds = 0;
        loop {
            let packet = self.connection.receive().await?;
            let (kind, mut fields) = Fields::of(&packet)?;
            match kind {
                number::USERAUTH_SUCCESS => {
                    let request_stands = early.is_some();
                    return Ok(Answer::Admitted { request_stands });
                }
                number::USERAUTH_FAILURE => return Ok(Answer::Refused(fields.names()?)),
                number::EXT_INFO => self.note_extensions(fields)?,
                number::USERAUTH_INFO_REQUEST => {
                    let Attempt::Questions(password) = attempt else {
                        // After a password: it has expired and must be changed.
                        return Ok(Answer::Refused(Vec::new()));
                    };
                    rounds += 1;
                    if rounds > MAX_QUESTION_ROUNDS {
                        return Ok(Answer::Refused(Vec::new()));
                    }
                    let answers = answers(fields, password)?;
                    self.connection.outgoing.queue_veiled(answers.bytes())?;
                    self.connection.outgoing.flush().await?;
                }
                // The request came too early: before the verdict, or after a refusal.
                number::UNIMPLEMENTED => {
                    let refused = fields.number()?;
                    early = early.filter(|number| *number != refused);
                }
                number::SERVICE_ACCEPT | number::USERAUTH_BANNER | number::GLOBAL_REQUEST => {}
                _ => return Err(SshError::Protocol("an unexpected message during the login")),
            }
        }
    }

    fn note_extensions(&mut self, mut fields: Fields<'_>) -> Result<(), SshError> {
        for _ in 0..fields.number()? {
            let name = fields.text()?;
            if name == "server-sig-algs" {
                self.signature_algorithms = Some(fields.names()?);
            } else {
                fields.string()?;
            }
        }
        Ok(())
    }
}

/// The password for every question that does not echo, an empty answer for the others.
fn answers(mut questions: Fields<'_>, password: &str) -> Result<Message, SshError> {
    for _ in 0..3 {
        questions.string()?;
    }
    let count = questions.number()?;
    if count > MAX_QUESTIONS {
        return Err(SshError::Protocol("the server asks too many questions"));
    }
    let mut message = Message::new(number::USERAUTH_INFO_RESPONSE).number(count);
    for _ in 0..count {
        questions.string()?;
        let echoes = questions.flag()?;
        message = message.string(if echoes { "" } else { password });
    }
    Ok(message)
}

fn sign(key: &PrivateKey, hash: HashAlg, bytes: &[u8]) -> Result<Vec<u8>, SshError> {
    let signature: Signature = match key.key_data() {
        KeypairData::Rsa(pair) => (pair, Some(hash)).try_sign(bytes),
        pair => pair.try_sign(bytes),
    }
    .map_err(|_| SshError::Crypto)?;
    let mut encoded = Vec::new();
    signature
        .encode(&mut encoded)
        .map_err(|_| SshError::Crypto)?;
    Ok(encoded)
}
