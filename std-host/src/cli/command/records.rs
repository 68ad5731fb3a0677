//! Options about checksums, manifests, labels, logs and block sizes.

use clap::Arg;

use super::{flag, rare, under, value};

pub(super) fn args() -> Vec<Arg> {
    let mut args = under("Checksums and records", record_args());
    args.extend(under("Output and log", log_args()));
    args.extend(under("Disk", disk_args()));
    args.extend(under(
        "Connection and security",
        vec![rare(
            value("remote-program", "ASCP")
                .short('S')
                .help("Name or path of ascp at the server (default: ascp)"),
        )],
    ));
    args
}

fn record_args() -> Vec<Arg> {
    vec![
        value("file-checksum", "KIND")
            .long("file-checksum")
            .help("Checksum of each file, checked by the other side:\nmd5, sha1, sha-256, sha-384, sha-512 or none"),
        value("file-manifest", "FORMAT")
            .long("file-manifest")
            .help("text: write a list of the files transferred"),
        value("file-manifest-path", "DIR")
            .long("file-manifest-path")
            .help("The folder of the list, on this computer"),
        rare(
            value("file-manifest-inprogress-suffix", "SUFFIX")
                .long("file-manifest-inprogress-suffix")
                .help("Behind the name of the list until it is complete\n(default: .aspera-inprogress)"),
        ),
        flag("precalculate-job-size")
            .long("precalculate-job-size")
            .overrides_with("precalculate-disable")
            .help("Count everything beside the transfer, and show\nwhat is done of it and how long the rest takes"),
        rare(
            flag("precalculate-disable")
                .long("precalculate-disable")
                .overrides_with("precalculate-job-size")
                .help("Do not (default)"),
        ),
        rare(
            value("tags", "JSON")
                .long("tags")
                .overrides_with("tags64")
                .help("Metadata for the logs of both sides, at most 4096 bytes"),
        ),
        rare(
            value("tags64", "BASE64")
                .long("tags64")
                .overrides_with("tags")
                .help("The same, encoded"),
        ),
        rare(
            value("user-string", "TEXT")
                .short('u')
                .help("Words for the logs of both sides"),
        ),
    ]
}

fn log_args() -> Vec<Arg> {
    vec![rare(value("remote-log", "DIR").short('R').help(
        "The server logs this session to DIR, below its files",
    ))]
}

fn disk_args() -> Vec<Arg> {
    vec![
        rare(
            value("read-size", "BYTES")
                .short('g')
                .help("Bytes read from a disk at a time, with K or M;\n1 to 500M (default: 256K)"),
        ),
        rare(
            value("write-size", "BYTES")
                .short('G')
                .help("Bytes written to a disk at a time, with K or M;\n1 to 500M (default: 256K)"),
        ),
    ]
}
