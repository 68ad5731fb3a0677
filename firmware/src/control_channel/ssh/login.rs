//! What an SSH client is answered until its session runs, and what it is refused.

use sunset::ed25519_dalek::SigningKey;
use sunset::{ChanFail, ChanHandle, PubKey, ServEvent, SignKey};

use super::SshState;
use crate::appliance::Configuration;
use crate::host::{Event, Host};

/// The answers to one client.
pub(super) struct Login<'l, 'c, H> {
    pub(super) configuration: &'l Configuration<'c>,
    pub(super) host: &'l mut H,
    pub(super) channel: &'l mut Option<ChanHandle>,
    pub(super) state: &'l mut SshState,
    pub(super) refusals: &'l mut u8,
}

impl<H: Host> Login<'_, '_, H> {
    /// Answers what the client asks for.
    pub(super) fn answer(&mut self, event: ServEvent<'_, '_>) -> sunset::Result<()> {
        match event {
            ServEvent::Hostkeys(ask) => {
                let key = SigningKey::from_bytes(self.configuration.host_key);
                ask.hostkeys(&[&SignKey::Ed25519(key)])
            }
            ServEvent::FirstAuth(mut ask) => {
                // A client that asks what there is has not failed yet.
                ask.set_auth_methods(self.configuration.password.is_some(), true)?;
                ask.reject()
            }
            ServEvent::PubkeyAuth(mut ask) => {
                ask.set_auth_methods(self.configuration.password.is_some(), true)?;
                let user = self.may_be(ask.username());
                let key =
                    matches!(ask.pubkey()?, PubKey::Ed25519(key) if self.is_authorized(&key.key.0));
                if user && key {
                    return ask.allow();
                }
                self.refused();
                ask.reject()
            }
            ServEvent::PasswordAuth(mut ask) => {
                ask.set_auth_methods(self.configuration.password.is_some(), true)?;
                let user = self.may_be(ask.username());
                let password = self.configuration.password;
                let right = password.is_some_and(|password| ask.matches_password(password));
                if user && right {
                    return ask.allow();
                }
                self.refused();
                ask.reject()
            }
            ServEvent::Authenticated => {
                self.host.observe(&Event::LoggedIn);
                Ok(())
            }
            ServEvent::OpenSession(ask) => {
                if self.channel.is_some() {
                    return ask.reject(ChanFail::SSH_OPEN_ADMINISTRATIVELY_PROHIBITED);
                }
                *self.channel = Some(ask.accept()?);
                Ok(())
            }
            ServEvent::SessionExec(ask) => {
                if *self.state != SshState::LoggingIn || !is_ours(ask.command()?) {
                    return ask.fail();
                }
                *self.state = SshState::Open;
                ask.succeed()
            }
            ServEvent::Defunct => {
                *self.state = SshState::Gone;
                Ok(())
            }
            // Shells, terminals, subsystems, variables: refused when the question is dropped.
            _ => Ok(()),
        }
    }

    fn may_be(&self, name: sunset::Result<&str>) -> bool {
        let Some(user) = self.configuration.user else {
            return true;
        };
        name.is_ok_and(|name| name == user)
    }

    fn is_authorized(&self, key: &[u8; 32]) -> bool {
        self.configuration.authorized_keys.contains(key)
    }

    fn refused(&mut self) {
        *self.refusals = self.refusals.saturating_add(1);
        self.host.observe(&Event::LoginRefused);
    }
}

/// Whether `command` is what `ascp` asks a server to run: itself, as a server.
fn is_ours(command: &str) -> bool {
    let mut words = command.split_ascii_whitespace();
    let program = words.next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    name == "ascp" && words.any(|word| word == "--server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_command_of_ascp_is_run() {
        assert!(is_ours("ascp --server"));
        assert!(is_ours("/usr/local/bin/ascp --server"));
        for other in [
            "",
            "ascp",
            "sh",
            "sh -c 'ascp --server'",
            "ascpd --server",
            "ascp --serverless",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
