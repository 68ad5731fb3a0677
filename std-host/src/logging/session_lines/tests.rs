//! Every line, whole.

use super::*;

fn session() -> SessionFacts {
    SessionFacts {
        uuid: "09fe0c30-0000-4000-8000-000000000001".to_owned(),
        direction: Direction::Send,
        source: b"/data/a file".to_vec(),
        source_count: 2,
        destination: b"/in".to_vec(),
        user: "ann".to_owned(),
        local: Some("10.0.0.1:54338".parse().unwrap()),
        peer: Some("[2001:db8::1]:33001".parse().unwrap()),
        tcp_port: 22,
        version: "4.5.0.1".to_owned(),
        cookie: Some("a \"b\"".to_owned()),
        user_string: None,
        tags: Some("{}".to_owned()),
    }
}

const PARAMETERS: SessionParameters = SessionParameters {
    target_rate_bps: 100_000_000,
    min_rate_bps: 0,
    policy: PolicyWish::Fair,
    cipher: CipherWish::Aes256Gcm,
    resume_level: 1,
    create_destination: true,
    preserve_times: false,
    datagram_size: 1400,
    checksum: Some(ChecksumKind::Md5),
    job_size: false,
};

fn file(path: &[u8]) -> FileFacts {
    FileFacts {
        direction: Direction::Receive,
        path: path.to_vec(),
        size: 1_048_576_000,
        start_byte: 0,
        rate_bps: 96_365_000,
        elapsed: Duration::from_micros(87_050_999),
        loss_basis_points: 125,
        retransmission_requests: 3,
        overhead_bytes: 1400,
        checksum: None,
    }
}

#[test]
fn a_session_starts_and_stops_with_its_ends() {
    let facts = session();
    let id = "uuid=09fe0c30-0000-4000-8000-000000000001";
    let tail = format!(
        "local=10.0.0.1:54338 peer=[2001:db8::1]:33001 tcp_port=22 os=\"{}\" ver=4.5.0.1",
        std::env::consts::OS
    );
    assert_eq!(
        session_start(&facts, &PARAMETERS, &Status::Started),
        format!(
            "FASP Session Start {id} op=send status=started source=/data/a file (2) dest=/in \
             user=\"ann\" targetrate=100000000 minrate=0 transfer_policy=fair secure=yes resume=1 \
             precalc=no cookie=\"a \\\"b\\\"\" tags=\"{{}}\" {tail}"
        )
    );
    assert_eq!(
        session_stop(&facts, &Status::Success),
        format!(
            "FASP Session Stop {id} op=send status=success source=/data/a file (2) dest=/in \
             user=\"ann\" {tail}"
        )
    );
}

#[test]
fn a_session_that_never_had_a_data_flow_shows_no_addresses() {
    let facts = SessionFacts {
        local: None,
        peer: None,
        ..session()
    };
    let failed = Status::Failed(Fault::PathSetup, Fault::PathSetup.text().to_owned());
    let line = session_stop(&facts, &failed);
    assert!(line.contains(
        " status=failed errcode=44 errstr=\"UDP session initiation fatal error\" source="
    ));
    assert!(line.contains(" local=- peer=- "));
}

#[test]
fn the_parameters_are_on_one_line() {
    assert_eq!(
        session_params(&session(), &PARAMETERS),
        "FASP Session Params uuid=09fe0c30-0000-4000-8000-000000000001 user=\"ann\" \
         targetrate=100000000 minrate=0 rate_policy=fair cipher=aes-256-gcm resume=1 create=1 \
         times=0 precalc=no file_csum=md5 dgram_sz=1400 cookie=\"a \\\"b\\\"\""
    );
}

#[test]
fn a_file_starts_and_stops_with_its_numbers() {
    let facts = file(b"/tmp/1GB");
    assert_eq!(
        file_start("u", &facts),
        "FASP Transfer Start uuid=u op=recv status=started file=\"/tmp/1GB\" size=1048576000 \
         start_byte=0 rate=96.36Mbps loss=1.25 rexreqs=3 overhead=1400"
    );
    assert_eq!(
        file_stop("u", &facts, &Status::Success),
        "FASP Transfer Stop uuid=u op=recv status=success file=\"/tmp/1GB\" size=1048576000 \
         start_byte=0 rate=96.36Mbps elapsed=87.05s loss=1.25 rexreqs=3 overhead=1400"
    );
}

#[test]
fn a_file_name_cannot_close_its_quotes_or_its_line() {
    let line = file_start("u", &file(b"a\" size=0\nLOG x\xff"));
    assert!(
        line.contains("file=\"a\\\" size=0\\nLOG x\\xff\" size=1048576000"),
        "{line}"
    );
    assert!(!line.contains('\n'));
}

#[test]
fn statistics_show_rates_and_shares() {
    let facts = StatisticsFacts {
        round_trip: Duration::from_millis(64),
        blocks_total: 10_000,
        blocks_repeated: 1,
        bytes_on_wire: 2_000_000,
        bytes_of_files: 1_000_000,
        elapsed: Duration::from_secs(1),
    };
    assert_eq!(
        session_statistics("u", Direction::Send, &facts),
        "FASP Session Statistics [Sender] id=u delay=64ms solicited_rex=0.01% \
         ave_xmit_rate 16.00Mbps effective=50.00% effective_rate=8.00Mbps \
         (detail: bl_total 10000 bl_orig 9999 bl_rex 1) \
         (progress: tx_bytes 2000000 file_bytes 1000000 tx_time 1000000)"
    );
    let nothing = session_statistics("u", Direction::Receive, &StatisticsFacts::default());
    assert!(
        nothing
            .starts_with("FASP Session Statistics [Receiver] id=u delay=0ms solicited_rex=0.00% ")
    );
}

#[test]
fn the_totals_are_the_lines_that_pipelines_search() {
    let totals = FileTotals {
        passed: 12,
        failed: 0,
        skipped: 3,
    };
    assert_eq!(
        file_totals(&totals),
        [
            "- Source file transfers passed          : 12",
            "- Source file transfers failed          : 0",
            "- Source file transfers skipped         : 3",
        ]
    );
}
