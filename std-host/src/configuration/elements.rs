//! Every element that is known: where it stands, what it may say, what holds without it, what is done with it.
//!
//! Source: names and defaults are public facts. What is done with an element is what this program does.

use super::value::Kind::{
    self, Address, Bool, Command, Mode, Number, Rate, Restriction, Rule, Suffix, Text, TrunkId,
    Word, Words,
};

/// What this program does with an element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Treatment {
    /// What it says happens.
    Works(&'static str),
    /// Known and without effect: a value that is not the built-in one is a warning.
    Unused,
    /// It protects something and this program does not know how: any other value than these stops the program.
    Guards(&'static [&'static str]),
}

use Treatment::{Guards, Unused, Works};

impl Treatment {
    pub(super) const fn is_in_use(self) -> bool {
        matches!(self, Works(_))
    }

    /// What an element that works does.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Works(meaning) => meaning,
            Unused | Guards(_) => "",
        }
    }

    pub(super) const fn is_guard(self) -> bool {
        matches!(self, Guards(_))
    }

    pub(super) const fn is_unused(self) -> bool {
        matches!(self, Unused)
    }
}

/// One element.
#[derive(Debug, Eq, PartialEq)]
pub struct Element {
    /// Names from its section down, with `/` between them.
    pub path: &'static str,
    /// What it may say.
    pub kind: Kind,
    /// What holds where it is not said; empty for nothing.
    pub built_in: &'static str,
    /// What is done with it.
    pub treatment: Treatment,
}

const fn element(
    path: &'static str,
    kind: Kind,
    built_in: &'static str,
    treatment: Treatment,
) -> Element {
    Element {
        path,
        kind,
        built_in,
        treatment,
    }
}

const POLICIES: &[&str] = &["fixed", "high", "fair", "regular", "low", "trickle"];
const ALLOWED_POLICIES: &[&str] = &["any", "high", "fair", "regular", "low", "trickle"];
#[rustfmt::skip]
const CIPHERS: &[&str] = &[
    "any", "none", "aes-128", "aes-192", "aes-256", "aes-128-cfb", "aes-192-cfb", "aes-256-cfb",
    "aes-128-gcm", "aes-192-gcm", "aes-256-gcm",
];

/// The elements of `<default>`, of a user and of a group.
#[rustfmt::skip]
pub const SESSION: &[Element] = &[
    element("connection_timeout_sec", Number(1, 86_400), "", Works("How long a client may take for each step of the opening (30 s without it) and for its first datagram (15 s)")),
    element("session_timeout_sec", Number(5, 86_400), "60", Works("How long nothing may come from a client before its session ends")),
    element("ssh_startup_timeout_sec", Number(0, u64::MAX), "0", Unused),
    element("authorization/transfer/in/value", Word(&["allow", "deny", "token"]), "allow", Works("Whether this user may upload; `token`: only with a token made by astokengen")),
    element("authorization/transfer/in/external_provider/url", Text, "", Unused),
    element("authorization/transfer/in/external_provider/soap_action", Text, "", Unused),
    element("authorization/transfer/out/value", Word(&["allow", "deny", "token"]), "allow", Works("Whether this user may download; `token`: only with a token made by astokengen")),
    element("authorization/transfer/out/external_provider/url", Text, "", Unused),
    element("authorization/transfer/out/external_provider/soap_action", Text, "", Unused),
    element("authorization/token/encryption_type", Word(&["aes-128", "aes-192", "aes-256"]), "aes-128", Unused),
    element("authorization/token/encryption_key", Text, "", Works("Keys of tokens, at least 16 characters each, with blanks between them: the first signs, all verify")),
    element("authorization/token/key_file", Text, "", Works("Absolute path of a file with more keys, one a line")),
    element("authorization/token/life_seconds", Number(0, u64::MAX), "86400", Works("How long a token of astokengen is valid")),
    element("authorization/token/filename_hash", Word(&["sha1", "md5", "lzw"]), "sha1", Unused),
    element("authorization/token/dynamic_key", Bool, "false", Unused),
    element("transfer/in/bandwidth/aggregate/trunk_id", TrunkId, "Disabled", Works("The trunk (virtual link) whose capacity these sessions share, 1 to 255; see <trunks>")),
    element("transfer/in/bandwidth/flow/target_rate/cap", Rate, "Unlimited", Works("No session of this user gets a higher target rate")),
    element("transfer/in/bandwidth/flow/target_rate/default", Rate, "10000", Works("Target rate of a client that names none")),
    element("transfer/in/bandwidth/flow/target_rate/lock", Bool, "false", Works("No client gets more than the default")),
    element("transfer/in/bandwidth/flow/min_rate/cap", Rate, "Unlimited", Works("No session has a higher minimum rate")),
    element("transfer/in/bandwidth/flow/min_rate/default", Rate, "0", Works("Highest minimum rate when it is locked")),
    element("transfer/in/bandwidth/flow/min_rate/lock", Bool, "false", Works("No client gets a higher minimum rate than the default")),
    element("transfer/in/bandwidth/flow/policy/default", Word(POLICIES), "fair", Works("The policy when it is locked")),
    element("transfer/in/bandwidth/flow/policy/lock", Bool, "false", Works("A client that wishes for another policy than the default is refused")),
    element("transfer/in/bandwidth/flow/policy/allowed", Word(ALLOWED_POLICIES), "any", Works("The most demanding policy allowed: high allows high, fair and low, fair allows fair and low; any allows all")),
    element("transfer/in/bandwidth/flow/priority/cap", Word(&["high", "normal"]), "high", Unused),
    element("transfer/in/bandwidth/flow/priority/default", Word(&["high", "normal"]), "normal", Works("On a trunk a session of high priority gets two shares")),
    element("transfer/in/bandwidth/flow/priority/lock", Bool, "false", Unused),
    element("transfer/in/bandwidth/flow/aggressiveness/cap", Number(0, u64::MAX), "0", Unused),
    element("transfer/in/bandwidth/flow/aggressiveness/default", Number(0, u64::MAX), "0", Unused),
    element("transfer/in/bandwidth/flow/network_rc/module", Word(&["delay", "delay-odp", "delay-adv", "delay-laq"]), "delay", Unused),
    element("transfer/in/bandwidth/flow/network_rc/tcp_friendly", Bool, "false", Unused),
    element("transfer/in/bandwidth/flow/network_rc/predictor", Word(&["unset", "none", "alphabeta", "fd31", "bezier", "ets"]), "unset", Unused),
    element("transfer/in/bandwidth/flow/network_rc/predictor_range", Number(0, u64::MAX), "2", Unused),
    element("transfer/in/bandwidth/flow/network_rc/predictor_limit_range", Number(0, u64::MAX), "3", Unused),
    element("transfer/in/bandwidth/flow/network_rc/target_queue", Word(&["unset", "static", "dynamic"]), "unset", Unused),
    element("transfer/out/bandwidth/aggregate/trunk_id", TrunkId, "Disabled", Works("The trunk (virtual link) whose capacity these sessions share, 1 to 255; see <trunks>")),
    element("transfer/out/bandwidth/flow/target_rate/cap", Rate, "Unlimited", Works("No session of this user gets a higher target rate")),
    element("transfer/out/bandwidth/flow/target_rate/default", Rate, "10000", Works("Target rate of a client that names none")),
    element("transfer/out/bandwidth/flow/target_rate/lock", Bool, "false", Works("No client gets more than the default")),
    element("transfer/out/bandwidth/flow/min_rate/cap", Rate, "Unlimited", Works("No session has a higher minimum rate")),
    element("transfer/out/bandwidth/flow/min_rate/default", Rate, "0", Works("Highest minimum rate when it is locked")),
    element("transfer/out/bandwidth/flow/min_rate/lock", Bool, "false", Works("No client gets a higher minimum rate than the default")),
    element("transfer/out/bandwidth/flow/policy/default", Word(POLICIES), "fair", Works("The policy when it is locked")),
    element("transfer/out/bandwidth/flow/policy/lock", Bool, "false", Works("A client that wishes for another policy than the default is refused")),
    element("transfer/out/bandwidth/flow/policy/allowed", Word(ALLOWED_POLICIES), "any", Works("The most demanding policy allowed: high allows high, fair and low, fair allows fair and low; any allows all")),
    element("transfer/out/bandwidth/flow/priority/cap", Word(&["high", "normal"]), "high", Unused),
    element("transfer/out/bandwidth/flow/priority/default", Word(&["high", "normal"]), "normal", Works("On a trunk a session of high priority gets two shares")),
    element("transfer/out/bandwidth/flow/priority/lock", Bool, "false", Unused),
    element("transfer/out/bandwidth/flow/aggressiveness/cap", Number(0, u64::MAX), "0", Unused),
    element("transfer/out/bandwidth/flow/aggressiveness/default", Number(0, u64::MAX), "0", Unused),
    element("transfer/out/bandwidth/flow/network_rc/module", Word(&["delay", "delay-odp", "delay-adv", "delay-laq"]), "delay", Unused),
    element("transfer/out/bandwidth/flow/network_rc/tcp_friendly", Bool, "false", Unused),
    element("transfer/out/bandwidth/flow/network_rc/predictor", Word(&["unset", "none", "alphabeta", "fd31", "bezier", "ets"]), "unset", Unused),
    element("transfer/out/bandwidth/flow/network_rc/predictor_range", Number(0, u64::MAX), "2", Unused),
    element("transfer/out/bandwidth/flow/network_rc/predictor_limit_range", Number(0, u64::MAX), "3", Unused),
    element("transfer/out/bandwidth/flow/network_rc/target_queue", Word(&["unset", "static", "dynamic"]), "unset", Unused),
    element("transfer/encryption/user_value", Text, "any", Unused),
    element("transfer/encryption/allowed_cipher", Word(CIPHERS), "any", Works("Which ciphers clients may wish for; a size without a mode allows both")),
    element("transfer/encryption/strict_allowed_cipher", Bool, "true", Works("Only the key size of allowed_cipher; without it longer keys too")),
    element("transfer/encryption/fips_mode", Word(&["no", "false", "disabled", "yes", "true", "enabled", "required"]), "no", Guards(&["no", "false", "disabled"])),
    element("transfer/encryption/byok_enabled", Bool, "false", Unused),
    element("transfer/encryption/content_protection_required", Bool, "false", Guards(&["false"])),
    element("transfer/encryption/content_protection_secret", Text, "", Unused),
    element("transfer/encryption/content_protection_strong_pass_required", Bool, "false", Unused),
    element("transfer/encryption/extension", Suffix, ".aspera-env", Unused),
    element("transfer/protocol_options/bind_ip_address", Address, "", Works("Address of the UDP port; empty: the one the client came to")),
    element("transfer/protocol_options/server_ip_address", Text, "", Unused),
    element("transfer/protocol_options/bind_udp_port", Number(1, 65_535), "33001", Works("First UDP port tried")),
    element("transfer/protocol_options/udp_port_reuse", Bool, "true", Unused),
    element("transfer/protocol_options/disable_batching", Bool, "false", Unused),
    element("transfer/protocol_options/batch_size", Number(0, u64::MAX), "0", Unused),
    element("transfer/protocol_options/sessini_optimization", Bool, "false", Unused),
    element("transfer/protocol_options/max_sock_buffer", Number(0, u64::MAX), "0", Unused),
    element("transfer/protocol_options/min_sock_buffer", Number(0, u64::MAX), "0", Unused),
    element("transfer/protocol_options/datagram_size", Number(0, 65_507), "0", Works("Largest datagram in bytes, 0 for what the path carries; below 1,200 as 1,200")),
    element("transfer/protocol_options/rate_instru_type", Number(0, u64::MAX), "0", Unused),
    element("transfer/protocol_options/rtt_autocorrect", Bool, "true", Unused),
    element("transfer/protocol_options/rtt_histlen", Number(0, u64::MAX), "0", Unused),
    element("transfer/protocol_options/rtt_variation_index", Number(0, u64::MAX), "0", Unused),
    element("transfer/protocol_options/rtt_estimate_skew", Bool, "false", Unused),
    element("transfer/protocol_options/rtt_reverse_infer", Bool, "true", Unused),
    element("transfer/protocol_options/rtt_show_dist_on_congestion", Bool, "true", Unused),
    element("transfer/protocol_options/rex_table_size", Number(0, u64::MAX), "0", Unused),
    element("transfer/protocol_options/rex_timer_size", Number(0, u64::MAX), "0", Unused),
    element("transfer/protocol_options/chunk_size", Number(0, u64::MAX), "0", Unused),
    element("transfer/log_files_activity", Bool, "true", Works("Whether complete files have a line in the log; failed ones always have")),
    element("transfer/log_stats_interval", Number(0, 86_400), "20", Works("Seconds between two lines in the log about a session that runs; 0: none")),
    element("transfer/validation_file_start", Word(&["none", "uri", "external"]), "none", Guards(&["none"])),
    element("transfer/validation_file_stop", Word(&["none", "uri", "external", "post_transfer"]), "none", Guards(&["none"])),
    element("transfer/validation_session_start", Word(&["none", "uri", "external"]), "none", Guards(&["none"])),
    element("transfer/validation_session_stop", Word(&["none", "uri", "external"]), "none", Guards(&["none"])),
    element("transfer/validation_threshold", Word(&["none", "uri", "external"]), "none", Guards(&["none"])),
    element("transfer/validation_uri", Text, "", Unused),
    element("transfer/validation_threshold_kb", Number(0, u64::MAX), "0", Unused),
    element("transfer/validation_threads", Number(0, u64::MAX), "5", Unused),
    element("transfer/validation_secure", Bool, "false", Unused),
    element("transfer/multi_session_threshold_default", Text, "-1", Unused),
    element("transfer/multi_session_enabled", Bool, "true", Unused),
    element("transfer/chunker_max_mem", Number(0, u64::MAX), "0", Unused),
    element("file_system/file_create_mode", Mode, "Undefined", Works("The mode of uploaded files, whatever their sources have and whatever the mask of the process")),
    element("file_system/file_create_grant_mask", Mode, "", Works("Bits that uploaded files have besides those of their sources, where file_create_mode is not given")),
    element("file_system/directory_create_mode", Mode, "Undefined", Works("The mode of folders that are made")),
    element("file_system/directory_create_grant_mask", Mode, "", Works("Bits that made folders have besides those of their sources, where directory_create_mode is not given")),
    element("file_system/read_block_size", Number(0, 4_294_967_295), "0", Works("Bytes read from the disk at a time, before what a client asks for; 0: as the client likes")),
    element("file_system/write_block_size", Number(0, 4_294_967_295), "0", Works("Bytes written to the disk at a time, before what a client asks for; 0: as the client likes")),
    element("file_system/read_threads", Number(0, u64::MAX), "0", Unused),
    element("file_system/write_threads", Number(0, u64::MAX), "0", Unused),
    element("file_system/scan_threads", Number(0, u64::MAX), "0", Unused),
    element("file_system/meta_threads", Number(0, u64::MAX), "0", Unused),
    element("file_system/worker_threads", Number(0, u64::MAX), "0", Unused),
    element("file_system/sparse_file", Bool, "false", Unused),
    element("file_system/fail_on_attr_error", Word(&["no", "yes"]), "yes", Unused),
    element("file_system/compression_method", Word(&["none", "qlz", "zlib", "lz4"]), "lz4", Unused),
    element("file_system/use_file_cache", Bool, "true", Unused),
    element("file_system/max_file_cache_buffer", Number(0, u64::MAX), "0", Unused),
    element("file_system/ring_buf_units", Number(0, u64::MAX), "0", Unused),
    element("file_system/ring_buf_max_size", Number(0, u64::MAX), "0", Unused),
    element("file_system/resume_suffix", Suffix, ".aspx", Works("What the note beside a partial upload has behind the name of its file")),
    element("file_system/symbolic_links", Words(&["none", "create", "follow", "follow_wide"]), "create,follow", Works("What becomes of links: followed in downloads (follow: inside the docroot, follow_wide: anywhere), made by uploads (create)")),
    element("file_system/mgmt_portfile_dir", Text, "", Unused),
    element("file_system/mgmt_port_connect_timeout_usec", Number(0, u64::MAX), "5000000", Unused),
    element("file_system/preserve_attributes", Word(&["use client setting", "none", "times"]), "use client setting", Works("What clients may have preserved of uploads and downloads: nothing, times only, or what they ask for")),
    element("file_system/preserve_acls", Text, "", Unused),
    element("file_system/preserve_xattrs", Text, "", Unused),
    element("file_system/preserve_attributes_pvcl_read", Word(&["disable", "enable"]), "disable", Unused),
    element("file_system/preserve_attributes_pvcl_write", Word(&["disable", "enable"]), "disable", Unused),
    element("file_system/overwrite", Word(&["allow", "deny"]), "allow", Works("With deny no upload replaces anything: files that are there are skipped, links are not forced, nothing is deleted before a transfer")),
    element("file_system/file_manifest", Word(&["none", "disable", "text"]), "none", Works("With text the server writes a list of the files of every session")),
    element("file_system/file_manifest_path", Text, "", Works("The folder of these lists, absolute or below the home of the user; must be given with file_manifest")),
    element("file_system/file_manifest_inprogress_suffix", Suffix, ".aspera-inprogress", Works("What a list has behind its name until its session is over")),
    element("file_system/pre_calculate_job_size", Word(&["any", "no", "yes"]), "any", Works("Whether downloads are counted beside their transfer: always, never, or as the client likes")),
    element("file_system/replace_illegal_chars", Text, "", Unused),
    element("file_system/storage_rc/adaptive", Bool, "true", Unused),
    element("file_system/storage_rc/buf_min", Number(0, u64::MAX), "0", Unused),
    element("file_system/storage_rc/buf_target", Number(0, u64::MAX), "0", Unused),
    element("file_system/storage_rc/buf_delta", Number(0, u64::MAX), "0", Unused),
    element("file_system/filters/filter", Rule, "", Works("What downloads leave out; goes before the rules of the client. Uploads are filtered by the side that reads, so by the client")),
    element("file_system/partial_file_suffix", Suffix, "", Works("What an upload has behind its name until it is complete; without it .ascp-part, or a hidden name where it cannot be resumed")),
    element("file_system/file_checksum", Word(&["any", "md5", "sha1", "sha256", "sha384", "sha512"]), "any", Works("The checksum of every file; clients that want another one are refused")),
    element("file_system/file_checksum_cache", Bool, "false", Unused),
    element("file_system/file_checksum_on_write", Bool, "false", Unused),
    element("min_ascp_version", Text, "", Guards(&[])),
    element("use_pvcl", Word(&["server only", "no", "yes"]), "server only", Guards(&["server only", "no"])),
    element("aspshell_commands/command", Command, "", Works("A command that aspshell runs besides transfers, word by word as it stands here, never by a shell")),
    element("logging_class", Text, "", Unused),
    element("skip_dir_traversal_dupes", Bool, "true", Unused),
    element("file_system/access/paths/path/absolute", Text, "", Works("A docroot; each <path> is one. $(name) is the login name, $(home) the home folder; empty: no docroot, the system's rights decide")),
    element("file_system/access/paths/path/show_as", Text, "", Works("The path under which clients see this docroot: a path of a client belongs to the docroot that is seen deepest on its way. Without it the first is seen as /, each further one as / and the last name of its folder")),
    element("file_system/access/paths/path/description", Text, "", Unused),
    element("file_system/access/paths/path/filter", Text, "*", Unused),
    element("file_system/access/paths/path/filter_scope", Word(&["String", "Directory"]), "String", Unused),
    element("file_system/access/paths/path/read_allowed", Bool, "true", Works("Whether this user may download from this docroot")),
    element("file_system/access/paths/path/write_allowed", Bool, "true", Works("Whether this user may upload to this docroot")),
    element("file_system/access/paths/path/dir_allowed", Bool, "true", Works("Whether folders may be listed: without it only files that are named can be downloaded")),
    element("file_system/access/paths/path/reporting_allowed", Bool, "true", Unused),
    element("file_system/access/paths/path/restrictions/restriction", Restriction, "", Works("Which absolute paths below the docroot exist for clients: the first pattern that matches decides, ! forbids, * is any text; where one allows something the rest is forbidden. Links are judged by where they lead. No deleting before a transfer, no removing of sources and no -R then")),
    element("logging/classes", Text, "*", Unused),
    element("logging/level", Word(&["disable", "log", "dbg1", "dbg2"]), "", Works("How much of a session is logged")),
    element("logging/directory", Text, "", Works("Folder of the log aspera-scp-transfer.log; without it standard error")),
    element("logging/log_size", Number(1, 1_000_000), "10", Works("Megabytes of a log before it is renamed")),
    element("logging/log_count", Number(0, 1_000), "9", Works("Old files of that log that are kept")),
    element("logging/add_tid", Bool, "false", Unused),
];

/// The elements of `<client>`.
#[rustfmt::skip]
pub const CLIENT: &[Element] = &[
    element("async_management_activity_logging", Bool, "true", Unused),
    element("async_kvstore_activity_logging", Bool, "false", Unused),
    element("async_lock/type", Word(&["file", "kvstore"]), "file", Unused),
    element("async_lock/stale_timeout_sec", Number(0, u64::MAX), "20", Unused),
    element("async_lock/update_period_sec", Number(0, u64::MAX), "5", Unused),
    element("ssl_ciphers", Text, "ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES256:ECDH+AES128:!aNULL:!SHA1:!AESCCM", Unused),
    element("ssh_ciphers", Text, "", Unused),
    element("ssh_macs", Text, "", Unused),
    element("default_ssh_key", Text, "", Works("Absolute path of the private key of a client that is started without -i")),
    element("ssh_path", Text, "", Unused),
    element("fasp_ciphers", Text, "", Unused),
    element("fasp_macs", Text, "", Unused),
    element("encryption_cipher", Word(CIPHERS), "aes-128", Works("Cipher of a client that is started without -c")),
    element("ssl_protocol", Word(&["tlsv1.2", "tlsv1.3"]), "tlsv1.2", Unused),
];

/// The elements of `<server>`.
#[rustfmt::skip]
pub const SERVER: &[Element] = &[
    element("server_name", Text, "", Unused),
    element("transfers_multi_session_default", Number(0, u64::MAX), "1", Unused),
    element("transfer_manager_max_retries", Number(0, u64::MAX), "3", Unused),
    element("max_running_ascp", Number(0, u64::MAX), "0", Works("Sessions of ascpd that may run at once, if fewer than --max-sessions; 0: no other limit. Read at start only")),
    element("max_running_ascp_timeout", Text, "1m", Unused),
    element("http_port", Number(0, u64::MAX), "9091", Unused),
    element("https_port", Number(0, u64::MAX), "9092", Unused),
    element("cert_file", Text, "", Unused),
    element("key_file", Text, "", Unused),
    element("proxy/enabled", Bool, "false", Unused),
    element("proxy/authentication", Bool, "true", Unused),
    element("proxy/bind_ip_address", Text, "0.0.0.0", Unused),
    element("proxy/bind_ip_netmask", Text, "", Unused),
    element("proxy/port_range_low", Number(0, u64::MAX), "5000", Unused),
    element("proxy/port_range_high", Number(0, u64::MAX), "10000", Unused),
    element("proxy/cleanup_interval", Number(0, u64::MAX), "0", Unused),
    element("proxy/keepalive_interval", Number(0, u64::MAX), "0", Unused),
    element("proxy/session_timeout", Number(0, u64::MAX), "0", Unused),
    element("ssl_ciphers", Text, "ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES256:ECDH+AES128:!aNULL:!SHA1:!AESCCM", Unused),
    element("fasp_ciphers", Text, "", Unused),
    element("fasp_macs", Text, "", Unused),
    element("wss_port", Number(0, u64::MAX), "9093", Unused),
    element("wss_listen_port", Number(0, u64::MAX), "0", Unused),
    element("wss_listen_address", Text, "", Unused),
    element("wss_enabled", Bool, "false", Unused),
    element("wss_threads", Number(0, u64::MAX), "4", Unused),
    element("wss_allowed_proxy_addresses", Text, "127.0.0.1,::1", Unused),
    element("ssl_protocol", Word(&["tlsv1.2", "tlsv1.3"]), "tlsv1.2", Unused),
    element("ssh_host_key_fingerprint", Text, "", Works("SHA-1 of the host key in hexadecimal: ascpd does not start with another key")),
];

/// The elements of a `<trunk>`.
#[rustfmt::skip]
pub const TRUNK: &[Element] = &[
    element("name", Text, "", Works("What people call it")),
    element("id", Text, "0", Works("Its number, 1 to 255, for transfer/in|out/bandwidth/aggregate/trunk_id")),
    element("on", Bool, "false", Works("Whether it limits anything")),
    element("ignore_direction", Bool, "false", Works("Uploads and downloads share the capacity; without it each direction has it all")),
    element("capacity/schedule", Rate, "50000", Works("What its sessions share, divided by their priority and by what each can use. Uploads that do not keep to their share are ended")),
    element("mcast_iface_address", Text, "", Unused),
    element("mcast_group_address", Text, "", Unused),
    element("mcast_port", Number(0, u64::MAX), "0", Unused),
    element("mcast_ttl", Number(0, u64::MAX), "0", Unused),
    element("target_queue", Number(0, u64::MAX), "0", Unused),
    element("min_queue", Number(0, u64::MAX), "0", Unused),
    element("tightness_in", Number(0, u64::MAX), "0", Unused),
    element("tightness_out", Number(0, u64::MAX), "0", Unused),
    element("qb_over_qmax", Number(0, u64::MAX), "0", Unused),
];

/// What stands in `<trunks>` beside them.
#[rustfmt::skip]
pub const TRUNKS: &[Element] = &[
    element("run_directory", Text, "/run/ascp", Works("The folder, the same for all server programs of the host, where they find one another; this element is ours")),
];

/// The elements of the top-level `<logging>`. They hold where neither the user, nor a group, nor `<default>` says another.
#[rustfmt::skip]
pub const LOGGING: &[Element] = &[
    element("log_setting/classes", Text, "*", Unused),
    element("log_setting/level", Word(&["disable", "log", "dbg1", "dbg2"]), "", Works("How much of a session is logged")),
    element("log_setting/directory", Text, "", Works("Folder of the log aspera-scp-transfer.log; without it standard error")),
    element("log_setting/log_size", Number(1, 1_000_000), "10", Works("Megabytes of a log before it is renamed")),
    element("log_setting/log_count", Number(0, 1_000), "9", Works("Old files of that log that are kept")),
    element("log_setting/add_tid", Bool, "false", Unused),
];

/// Sections of programs that do not exist here: nothing in them is looked at.
pub(super) const FOREIGN: &[&str] = &["central_server", "http_server", "database"];

/// The element at `path` of `<default>`, of a user or of a group.
#[must_use]
pub fn session_element(path: &str) -> Option<&'static Element> {
    SESSION.iter().find(|element| element.path == path)
}
