//! What the receiver has already, as the comparison with the source turned out.

use super::super::message::{KeptReport, TransferEvent};
use super::Sending;
use crate::storage::source_files::Judgement;

impl Sending {
    /// Tells the receiver what came of its checks.
    pub(super) fn judge(&mut self) {
        for object in std::mem::take(&mut self.judged) {
            let Some(offered) = self.offered.get_mut(&object) else {
                continue;
            };
            let Some(judgement) = self.source.files.judgement(object) else {
                self.judged.push(object);
                continue;
            };
            let told = match &judgement {
                Judgement::Wrong(wrong) => self.sender.judge(object, wrong),
                Judgement::Unclear => self.sender.recheck(object),
            };
            if told.is_err() {
                self.judged.push(object);
                continue;
            }
            self.source.files.judgement_told(object, &judgement);
            if let Judgement::Wrong(wrong) = judgement {
                let length: u64 = wrong.iter().map(|range| range.end - range.start).sum();
                let lost = if offered.compares && length > 0 {
                    offered.present
                } else {
                    length
                };
                offered.present = offered.present.saturating_sub(lost);
                self.ends.tell(TransferEvent::Kept(KeptReport {
                    name: offered.name.clone(),
                    size: offered.size,
                    kept: offered.present,
                    wrong: lost,
                }));
                self.source.files.hash_behind(object);
            }
        }
    }
}
