//! What people say is broken, and exceptions that were asked for.

use super::{super::State, devices::BLAMED};
use crate::control::{
    event::{ComplaintReceived, Event, ReportClosed, ReportOpened},
    reports::{ReportChange, ReportOutcome, ReportRecord, report_id},
};
use jiff::Timestamp;
use refit_model::TitleId;
use smol_str::SmolStr;
use std::sync::Arc;

impl State {
    /// Somebody complained on the device itself.
    pub(super) fn complained(&mut self, received: Timestamp, complaint: &ComplaintReceived) {
        let ComplaintReceived { device, complaint: said, at, title, text } = complaint;
        let record = ReportRecord::new(device.clone(), received, *at, title.clone(), text.clone());
        let record = ReportRecord { complaint: Some(said.clone()), ..record };
        self.report(report_id(device, said), record);
    }

    /// Somebody says so through the API.
    pub(super) fn report_opened(&mut self, received: Timestamp, opened: &ReportOpened) {
        let record =
            ReportRecord::new(opened.device.clone(), received, opened.at, opened.title.clone(), opened.text.clone());
        let record = ReportRecord { person: opened.person.clone(), by: Some(opened.by.clone()), ..record };
        self.report(opened.report.clone(), record);
    }

    /// What was tried on a device within three days before is what a report is of: each release, and also one that failed, which may
    /// have left something behind.
    fn report(&mut self, id: SmolStr, mut record: ReportRecord) {
        let Some(device) = self.devices.get(&record.device) else { return };
        let index = device.index;
        let from = record.at.checked_sub(BLAMED).unwrap_or(Timestamp::MIN);
        let newest = device.receipts.iter().filter_map(|(slot, receipt)| {
            let (version, before) = (receipt.tried()?.clone(), receipt.before.clone());
            Some(ReportChange { title: slot.title.clone(), version, before, at: receipt.at })
        });
        let earlier = device.tried.iter().map(|tried| ReportChange {
            title: tried.title.clone(),
            version: tried.version.clone(),
            before: None,
            at: tried.at,
        });
        let mut changes: Vec<ReportChange> = newest.chain(earlier).collect();
        changes.retain(|change| change.at >= from && change.at <= record.at);
        changes.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| (&a.title, &a.version).cmp(&(&b.title, &b.version))));
        record.changes = changes;
        record.person = record.person.or_else(|| device.person.clone());
        self.rollouts.complaint(index, &record.blamed());
        self.reports.add(id, record);
    }

    /// What turned out to be no fault of an update counts in no gate any more, unless the device says the same in another report.
    pub(super) fn counts_no_more(&mut self, closed: &ReportClosed) {
        if closed.outcome != ReportOutcome::NotUs {
            return;
        }
        let Some(record) = self.reports.get(&closed.report).cloned() else { return };
        let Some(index) = self.devices.get(&record.device).map(|device| device.index) else { return };
        let others: Vec<Arc<ReportRecord>> = self
            .reports
            .of(&record.device)
            .filter(|(_, other)| other.counts())
            .map(|(_, other)| other.clone())
            .collect();
        let blamed_still = |what: &(TitleId, SmolStr)| others.iter().any(|other| other.blamed().contains(what));
        for what in record.blamed().into_iter().filter(|what| !blamed_still(what)) {
            self.rollouts.no_complaint(index, &what.0, &what.1);
        }
    }

    /// Exceptions that were asked for. What acts is a part of the repository that decisions read.
    pub(super) fn exception_event(&mut self, seq: u64, at: Timestamp, event: &Event) {
        let acted: Vec<SmolStr> = self.exceptions.acting().map(|(name, _)| name.clone()).collect();
        self.exceptions.apply(at, event);
        if self.exceptions.acting().map(|(name, _)| name).eq(acted.iter()) {
            return;
        }
        self.exceptions.revised = seq;
        if let Some(policy) = &mut self.policy {
            let repository = self.exceptions.granted_into(policy.repository.clone());
            Arc::make_mut(policy).repository = repository;
        }
    }
}
