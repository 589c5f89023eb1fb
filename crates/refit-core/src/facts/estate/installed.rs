//! What each source says is installed on a device.

use super::{Estate, Kept};
use crate::facts::identity::{Node, RecordId};
use crate::facts::mapping::Install;
use jiff::Timestamp;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// A record that tells what is installed, by what makes it count: when it was told, when the device was seen and enrolled there, and what it is
/// called, so that one of two is the same whichever came first.
type Telling<'e> = ((Option<Timestamp>, Option<Timestamp>, Option<Timestamp>, &'e RecordId), Vec<&'e Install>);

impl Estate {
    /// What sources say is installed on a device that has these records, by source. Of several records that a source has of it the one counts
    /// that was told last: the other is of a time before it was enrolled anew, and what it lists is of that time. `tells` is whether what is kept
    /// of a record is heard at all.
    pub(super) fn installed<'e>(
        &'e self,
        nodes: &[&'e Node],
        tells: impl Fn(&Kept) -> bool,
    ) -> BTreeMap<SmolStr, Vec<&'e Install>> {
        let mut last: BTreeMap<&SmolStr, Telling<'e>> = BTreeMap::new();
        for node in nodes.iter().copied().filter(|node| !node.gone) {
            let Some(source) = self.sources.get(&node.record.source) else { continue };
            // A source may have several kinds of records of a device under one id, each of which tells a part.
            let told: Vec<&Kept> = self.kept(node).filter(|kept| !kept.deleted && tells(kept)).collect();
            let Some(at) = told.iter().map(|kept| kept.observed.or_else(|| source.said(&kept.records))).max() else {
                continue;
            };
            let counts = (at, node.life.alive, node.life.began, &node.record);
            if last.get(&node.record.source).is_none_or(|(known, _)| *known < counts) {
                last.insert(&node.record.source, (counts, told.into_iter().flat_map(|kept| &kept.installs).collect()));
            }
        }
        last.into_iter().map(|(source, (_, installs))| (source.clone(), installs)).collect()
    }
}
