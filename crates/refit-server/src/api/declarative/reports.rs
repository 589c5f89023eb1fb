//! What a device reports becomes what is known of it: facts, the operating system that is installed, and a receipt where its update failed.

use super::super::{
    Api,
    extract::Caller,
    problem::{Code, Problem},
};
use refit_core::{
    control::{DeviceRecord, Input, InstallEntry, Installs, Observation, Plain, ReceiptResult, Scope, SlotName, State},
    facts::mapping::KeyKind,
};
use refit_model::{TitleId, Version};
use refit_targets::targets::apple::report::{Report, SOURCE};
use smol_str::{SmolStr, format_smolstr};

/// Tells the writer. What is told twice counts once, so that whoever is not sure sends it again.
pub(super) async fn tell(api: &Api, caller: &Caller, record: &DeviceRecord, report: &Report) -> Result<(), Problem> {
    let view = api.shell().view();
    is_of(record, report)?;
    let now = api.shell().now().max(view.state.clock);
    let mut actor = caller.actor.clone();
    // What a device reports of itself, and nothing else, may whoever passes it on say.
    actor.scopes.insert(Scope::Facts);
    let known = |field: &str| text(record, field);
    let facts = report.facts(known("device.os_version").as_deref());
    let running = Running::of(&view.state, record, report);
    let facts = facts.into_iter().map(|(field, value)| (field.into(), value.map(|text| Plain::Text(text.into()))));
    let observation = Observation {
        device: record.id.clone(),
        source: SOURCE.into(),
        observed: now,
        facts: facts.collect(),
        installs: running.as_ref().map(|running| Installs::System(running.entry())),
        universe: None,
        check_in: None,
    };
    api.shell().tell(&actor, Input::Observe(observation), None).await?;
    if let (Some(failure), Some(running)) = (report.failure(), running) {
        let wanted = failure.version.map(SmolStr::from).or_else(|| known("device.update_pending"));
        let which = failure.at.map_or_else(|| format_smolstr!("#{}", failure.count), |at| format_smolstr!("{at}"));
        let version = wanted.as_deref().unwrap_or("?");
        let output = match failure.reason {
            Some(reason) => Some(api.shell().put(reason.into_bytes()).await?.into()),
            None => None,
        };
        let receipt = Input::Receipt {
            device: record.id.clone(),
            receipt: format_smolstr!("{SOURCE}:{}:{version}:{which}", running.title),
            slot: running.slot(),
            wanted: wanted.clone(),
            result: ReceiptResult::Failed,
            before: Some(running.version.clone()),
            after: Some(running.version.clone()),
            at: failure.at.unwrap_or(now),
            duration_ms: 0,
            output,
        };
        api.shell().tell(&actor, receipt, None).await?;
    }
    api.desk().heard(&record.id, report, now);
    Ok(())
}

/// Refuses a report of another device: an MDM that mixes devices up must not spoil what is known of either.
fn is_of(record: &DeviceRecord, report: &Report) -> Result<(), Problem> {
    let written = |text: &str| KeyKind::Serial.written(text).ok();
    let Some(said) = report.serial().and_then(written) else { return Ok(()) };
    let known: Vec<SmolStr> = record
        .facts
        .get("device.serial")
        .into_iter()
        .flat_map(|said| said.values())
        .filter_map(|value| written(&value.to_string()))
        .collect();
    if known.is_empty() || known.contains(&said) {
        return Ok(());
    }
    let detail = format!("the report is of serial number {said}, and device `{}` has {}", record.id, known.join(", "));
    Err(Problem::new(Code::Conflict, detail).help("`X-Enrollment-ID` has to name the device that reports"))
}

/// What this source has said of a field.
fn text(record: &DeviceRecord, field: &str) -> Option<SmolStr> {
    record.facts.get(field)?.get(SOURCE).map(|value| value.to_string().into())
}

/// The operating system that runs.
struct Running {
    title: TitleId,
    branch: Option<refit_model::BranchName>,
    version: SmolStr,
}

impl Running {
    /// By the report, or by what was known before; `None` where neither says it.
    fn of(state: &State, record: &DeviceRecord, report: &Report) -> Option<Running> {
        let platform = match report.platform() {
            Some(platform) => SmolStr::new_static(platform.name),
            None => text(record, "device.platform").or_else(|| state.plain_fact(record, "device.platform"))?,
        };
        let title = TitleId::new(platform.as_str());
        let before = text(record, "device.os_version");
        let version = report.version(before.as_deref()).map(SmolStr::from).or(before)?;
        let repository = state.policy.as_ref().map(|policy| &policy.repository);
        let branch = repository.and_then(|repository| {
            let version = Version::parse(repository.scheme(&title), &version).ok()?;
            repository.titles.get(&title)?.branch_of(&version).map(|branch| branch.name.clone())
        });
        Some(Running { title, branch, version })
    }

    fn entry(&self) -> InstallEntry {
        InstallEntry {
            title: self.title.clone(),
            branch: self.branch.clone(),
            profile: None,
            version: self.version.clone(),
            state: None,
            source: None,
        }
    }

    fn slot(&self) -> SlotName {
        self.entry().slot()
    }
}
