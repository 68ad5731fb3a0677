//! `-w`: how much the path carries, measured in a session of its own before the transfer.
//!
//! A session of its own because the direction to measure need not be that of the files. The lines are those
//! of the public program where they are known; the one with the number is our own.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use fasp_core::fault::Fault;
use fasp_core::trains::Bandwidth;

use super::login::Login;
use super::opening::{self, Opened};
use super::watch::ClientWatch;
use crate::cli::settings::{
    AfterTransferWishes, AttributeWishes, Direction, MeasureWish, OverwriteWishes, PolicyWish,
    RateWish, SelectionWishes, TransferSettings,
};
use crate::cli::terminal;
use crate::driver::{FileReport, KeptReport, Measuring, Progress};
use crate::failure::{Failure, Outcome};
use crate::session::{Observer, RateBounds, Session, Side};

/// Nobody watches the files of a session that has none.
struct NoFiles;

impl Observer for NoFiles {
    fn connected(&mut self, _: SocketAddr) {}
    fn trouble(&mut self, _failure: &Failure) {}

    fn started(&mut self, _: &[u8], _: u64) {}
    fn kept(&mut self, _: &KeptReport) {}

    fn file(&mut self, _: &FileReport) {}
    fn progress(&mut self, _: &Progress) {}
}

/// Measures the path if the settings ask for it, and says what came out.
///
/// # Errors
///
/// Why there was no measuring session; or, if nothing else is to be done, that there is no result.
pub(super) async fn measure(
    settings: &TransferSettings,
    watch: &ClientWatch,
    login: &mut Login,
    stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Outcome<()> {
    let Some(wish) = settings.measure else {
        return Ok(());
    };
    let bandwidth = run(settings, wish, watch, login, stop).await?;
    for line in lines(&bandwidth) {
        watch.say(&line);
    }
    match bandwidth.capacity {
        None if settings.only_measures() => Err(Fault::BandwidthMeasurement.into()),
        _ => Ok(()),
    }
}

async fn run(
    settings: &TransferSettings,
    wish: MeasureWish,
    watch: &ClientWatch,
    login: &mut Login,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Outcome<Bandwidth> {
    let settings = TransferSettings {
        direction: wish.direction,
        sources: Vec::new(),
        selection: SelectionWishes::default(),
        destination: Vec::new(),
        target_rate: Some(RateWish::Bps(wish.probe_rate_bps)),
        min_rate: RateWish::Bps(0),
        policy: PolicyWish::Fair,
        resume_level: 0,
        overwriting: OverwriteWishes::default(),
        afterwards: AfterTransferWishes::default(),
        attributes: AttributeWishes::default(),
        ..settings.clone()
    };
    let opening = async {
        let channel = login.connect(&settings).await?;
        opening::open(&settings, channel, false).await
    };
    let (opened, channel) = tokio::select! {
        opened = opening => opened?,
        () = &mut stop => return Err(Fault::UserCancelled.into()),
    };
    for warning in &opened.warnings {
        terminal::print_stderr(&format!("ascp: {warning}\n"));
    }
    watch.say(&opening_line(&opened, wish.direction));
    let agreement = &opened.agreement;
    let bounds = RateBounds::up_to(agreement.target_rate(), agreement.policy());
    let sends = wish.direction == Direction::Send;
    let lane = super::lane(&settings, opened)?;
    let transfer = if sends {
        Measuring::send(lane)?
    } else {
        Measuring::receive(lane)?
    };
    let side = Side {
        sends,
        is_client: true,
    };
    let (messages, writer, lifeline) = channel;
    let mut nobody = NoFiles;
    let session = Session::new(side, bounds, transfer, messages, writer, &mut nobody);
    let (outcome, writer) = session.run(stop).await;
    lifeline.finish(writer.into_inner(), 0).await;
    match outcome.failure {
        None => Ok(outcome.report.bandwidth),
        Some(failure) => Err(failure),
    }
}

fn opening_line(opened: &Opened, direction: Direction) -> String {
    let (here, there) = (opened.local, opened.server.ip());
    let (from, to) = match direction {
        Direction::Send => (here, there),
        Direction::Receive => (there, here),
    };
    format!("Measuring bottleneck bandwidth from {from} to {to}")
}

/// What the user is told; no line has a percent sign, which would make it a progress line.
fn lines(bandwidth: &Bandwidth) -> Vec<String> {
    match (bandwidth.capacity, bandwidth.coalesced) {
        (Some(rate), coalesced) => {
            let warning = "Warning: interruption coalescing detected,bw measurement results may be \
                           highly inaccurate";
            let result = format!(
                "Bottleneck bandwidth: {} Kbps ({} packet trains)",
                rate.0 / 1_000,
                bandwidth.trains
            );
            let warning = coalesced.then(|| warning.to_owned());
            warning.into_iter().chain([result]).collect()
        }
        (None, true) => {
            vec!["Bandwidth measurement yields no results due to interrupt coalescing".to_owned()]
        }
        (None, false) => {
            vec!["Bandwidth measurement yields no results: no packet train was answered".to_owned()]
        }
    }
}

#[cfg(test)]
mod tests {
    use fasp_core::units::BitRate;

    use super::*;

    fn said(capacity: Option<u64>, coalesced: bool) -> String {
        lines(&Bandwidth {
            capacity: capacity.map(BitRate),
            coalesced,
            trains: 5,
        })
        .join("\n")
    }

    #[test]
    fn a_result_is_told_in_the_unit_of_a_bare_target_rate() {
        assert_eq!(
            said(Some(98_765_432), false),
            "Bottleneck bandwidth: 98765 Kbps (5 packet trains)"
        );
    }

    #[test]
    fn the_public_lines_tell_of_coalescing() {
        assert_eq!(
            said(Some(98_765_432), true).lines().next(),
            Some(
                "Warning: interruption coalescing detected,bw measurement results may be highly inaccurate"
            )
        );
        assert_eq!(
            said(None, true),
            "Bandwidth measurement yields no results due to interrupt coalescing"
        );
        assert!(said(None, false).starts_with("Bandwidth measurement yields no results"));
    }
}
