//! Options about encryption at rest and authorization.

use clap::Arg;

use super::{flag, rare, under, value};

pub(super) fn args() -> Vec<Arg> {
    let mut args = under(
        "Connection and security",
        vec![
            value("token", "TOKEN|@FILE").short('W').help(
                "Token that authorizes the transfer, or a file with\nit; instead of ASPERA_SCP_TOKEN",
            ),
            flag("allow-password-prompt")
                .long("allow-password-prompt")
                .help("Ask for the password at the terminal when nothing\nelse logs in"),
            rare(
                flag("ignore-host-key")
                    .long("ignore-host-key")
                    .help("Take any host key, which is not safe: prefer\n--check-sshfp, which goes first"),
            ),
        ],
    );
    args.extend(under(
        "Encryption at rest",
        vec![
            value("file-crypt", "MODE").long("file-crypt").help(
                "encrypt what is sent, to NAME.aspera-env, or decrypt\nwhat is received; ASPERA_SCP_FILEPASS has the passphrase",
            ),
            rare(
                flag("fail-bad-filepass")
                    .long("fail-bad-filepass")
                    .help("Fail where the passphrase does not open a file,\ninstead of keeping it encrypted"),
            ),
        ],
    ));
    args
}
