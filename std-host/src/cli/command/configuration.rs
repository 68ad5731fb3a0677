//! Options about the configuration of this computer.

use clap::Arg;

use super::{flag, rare, under, value};

pub(super) fn args() -> Vec<Arg> {
    under(
        "Configuration",
        vec![
            value("config", "FILE")
                .short('f')
                .help("Configuration to read instead of aspera.conf"),
            rare(
                flag("apply-local-docroot")
                    .long("apply-local-docroot")
                    .help("Local paths are below the docroot of the configuration\nand cannot leave it; ASPERA_SCP_DOCROOT names another"),
            ),
        ],
    )
}
