//! What people read of a plan over targets: objects and fields, what is lost beside them, who waits and why.

use crate::{
    api::{KeptBack, SystemPlan},
    cost::Load,
    diff::{Change, FieldChange},
    files::{BrokenOff, ByHand, FolderPlan, ForeignValue, Hand},
    object::{Loss, Object, Source},
    plan::{Compiled, TargetPlan, Twice},
    target::Lost,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// How many changes of a target are shown, where nobody asked for all.
const SHOWN: usize = 20;

/// A longer list is counted, and not shown: the members of a group.
const LIST_MOST: usize = 20;

/// How many devices are named that a system does not know.
const DEVICES_SHOWN: usize = 5;

/// How much of a value is shown, in characters.
const VALUE_MOST: usize = 100;

/// A plan as text.
pub fn render(compiled: &Compiled, all: bool) -> String {
    let mut text = String::new();
    for plan in &compiled.targets {
        text += &target(plan, if all { usize::MAX } else { SHOWN });
        text.push('\n');
    }
    for (name, kind, origin) in &compiled.unknown {
        let _ = writeln!(
            text,
            "{name} · not compiled: nothing is known of targets of kind `{kind}` ({}:{})\n",
            origin.file, origin.line
        );
    }
    for it in &compiled.twice {
        text += &twice(it);
    }
    text + &summary(compiled)
}

/// What was changed by hand in the folders and systems of targets, as text.
pub fn drift(compiled: &Compiled, all: bool) -> String {
    let mut text = String::new();
    for plan in &compiled.targets {
        let most = if all { usize::MAX } else { SHOWN };
        let found = match (&plan.folder, &plan.system) {
            (Some(folder), _) => found(folder, most),
            (None, Some(system)) => asked(system, most),
            (None, None) => match &plan.unreached {
                Some(why) => format!("  not looked at: {why}\n"),
                None => continue,
            },
        };
        let found = if found.is_empty() { "  nothing was changed by hand\n".to_owned() } else { found };
        let _ = writeln!(text, "{} · {}\n{found}", plan.name, plan.target.name());
    }
    text
}

/// Devices that two targets would patch, as an error.
pub fn twice(twice: &Twice) -> String {
    let Twice { title, one, other, devices, from } = twice;
    let mut text =
        format!("error: {title} would be moved twice on {}, by {one} and by {other}\n", counted(*devices, "device"));
    for source in from {
        let _ = writeln!(text, "  {source}");
    }
    text + "  help: let `where` of one of the two targets leave these devices out\n\n"
}

fn target(plan: &TargetPlan, most: usize) -> String {
    let TargetPlan { name, target, origin, devices, desired, changes, .. } = plan;
    let mut text =
        format!("{name} · {} · {} ({}:{})\n", target.name(), counted(*devices, "device"), origin.file, origin.line);
    if changes.is_empty() && plan.unreached.is_none() {
        text += if desired.objects.is_empty() { "  nothing to write\n" } else { "  nothing to change\n" };
    }
    for change in changes.iter().take(most) {
        text += &one(change, desired.objects.get(change.id()));
    }
    if let Some(more) = changes.len().checked_sub(most).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {} more (--all shows them)", counted(more as u64, "object"));
    }
    if let Some(folder) = &plan.folder {
        text += &found(folder, most);
    }
    if let Some(system) = &plan.system {
        text += &asked(system, most);
    }
    if let Some(why) = &plan.unreached {
        let _ = writeln!(text, "  not looked at, and nothing is written there: {why}");
    }
    let mut losses: BTreeMap<&Loss, BTreeSet<&Source>> = BTreeMap::new();
    for object in desired.objects.values() {
        for loss in &object.losses {
            losses.entry(loss).or_default().extend(&object.from);
        }
    }
    for Lost { from, loss } in &desired.lost {
        losses.entry(loss).or_default().insert(from);
    }
    if !losses.is_empty() {
        text += "  lost on the way\n";
        for (Loss { intent, said, becomes }, from) in losses {
            let from: Vec<String> =
                from.iter().map(|from| format!("{}:{}", from.origin.file, from.origin.line)).collect();
            let said = if said == intent.key() { String::new() } else { format!(" ({said})") };
            let _ = writeln!(text, "    {intent}{said}: {becomes} [{}]", from.join(", "));
        }
    }
    if !desired.withheld.is_empty() {
        text += "  not now\n";
        for it in &desired.withheld {
            let _ =
                writeln!(text, "    {} by {}, {}: {}", it.title, it.policy, counted(it.devices, "device"), it.because);
        }
    }
    if !desired.awaiting.is_empty() {
        text += "  awaiting content\n";
        for it in &desired.awaiting {
            let devices = counted(it.devices, "device");
            let _ = writeln!(text, "    {} by {}, {devices}: {}. For: {}", it.title, it.policy, it.missing, it.owner);
        }
    }
    if !desired.refused.is_empty() {
        text += "  refused\n";
        for it in &desired.refused {
            let _ = writeln!(text, "    {}: {}: {}", it.from, it.said, it.because);
        }
    }
    for note in &desired.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    let _ = writeln!(text, "  reach: {}", target.reach());
    let _ = writeln!(
        text,
        "  cost: {} for 1,000 devices, {} for 1,000,000",
        load(plan.cost.of(1_000)),
        load(plan.cost.of(1_000_000))
    );
    text
}

/// What was found in a folder and is not as Refit left it.
fn found(folder: &FolderPlan, most: usize) -> String {
    let mut text = String::new();
    if let Some(BrokenOff { done, of }) = folder.broken_off {
        let _ = writeln!(
            text,
            "  the last run was broken off: {done} of {} were written, and the rest is above",
            counted(of as u64, "file")
        );
    }
    text += &by_hand(&folder.by_hand, "file", most);
    if !folder.foreign.is_empty() {
        text += "  set by somebody else: not written (`settings: { foreign: take }` takes them over, and gives them back)\n";
        for ForeignValue { id, field, there, wanted } in &folder.foreign {
            let _ = writeln!(text, "    {id}: {field} is {}, and would be {}", value(there), value(wanted));
        }
    }
    for (path, why) in &folder.unreadable {
        let _ =
            writeln!(text, "  {path} is left as it is, since others write into it as well and it can't be read: {why}");
    }
    for path in folder.not_written.iter().take(most) {
        let _ = writeln!(text, "  {path} has Refit's name, was not written by it, and stays");
    }
    text
}

/// What was found in a system and is not as Refit left it, and what of others is in its way.
fn asked(system: &SystemPlan, most: usize) -> String {
    let mut text = String::new();
    if let Some(BrokenOff { done, of }) = system.broken_off {
        let of = counted(of as u64, "object");
        let _ = writeln!(text, "  the last run was broken off: {done} of {of} were written, and the rest is above");
    }
    text += &by_hand(&system.by_hand, "object", most);
    if !system.foreign.is_empty() {
        text += if system.beside {
            "  set by others on the same devices: what is written does not count alone (`settings: { foreign: beside }`)\n"
        } else {
            "  set by others on the same devices\n"
        };
        for it in system.foreign.iter().take(most) {
            let _ = writeln!(text, "    {}, {}: {}", it.what, counted(it.devices, "device"), it.because);
        }
    }
    if !system.kept_back.is_empty() {
        text += "  not written because of that (`settings: { foreign: beside }` permits it)\n";
        for KeptBack { id, devices, whole } in system.kept_back.iter().take(most) {
            let devices = counted(*devices, "device");
            let _ = match whole {
                true => writeln!(text, "    {id}: nothing of it, for {devices}"),
                false => writeln!(text, "    {id}: not for {devices}, which are in no group of it"),
            };
        }
    }
    for id in system.not_written.iter().take(most) {
        let _ = writeln!(
            text,
            "  {id} has Refit's name, was not written by this target, and stays: nothing is written in its place"
        );
    }
    for (id, why) in &system.refused {
        let _ = writeln!(text, "  {id} is left as it is: {why}");
    }
    if !system.unknown_devices.is_empty() {
        let known: Vec<&str> = system.unknown_devices.iter().take(DEVICES_SHOWN).map(String::as_str).collect();
        let number = system.unknown_devices.len();
        let more = if number > known.len() { ", …" } else { "" };
        let are = if number == 1 { "is" } else { "are" };
        let number = counted(number as u64, "device");
        let _ = writeln!(text, "  {number} {are} not known there, and in no group: {}{more}", known.join(", "));
    }
    for note in &system.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    text
}

/// What was changed by hand.
fn by_hand(all: &[ByHand], what: &str, most: usize) -> String {
    let mut text = if all.is_empty() { String::new() } else { "  changed by hand\n".to_owned() };
    for ByHand { id, hand, fields, undone } in all.iter().take(most) {
        let was = match hand {
            Hand::Changed => String::new(),
            Hand::Damaged(why) => format!(" can't be read any more: {why}"),
            Hand::TakenAway => " was taken away".to_owned(),
            Hand::NotWritten => " was not written by Refit, as far as is remembered".to_owned(),
        };
        let becomes =
            if *undone { "this plan undoes it" } else { "left as it is (`drift: report`; --revert undoes it)" };
        let _ = writeln!(text, "    {id}{was}: {becomes}");
        for change in fields {
            text += &field(change);
        }
    }
    if let Some(more) = all.len().checked_sub(most).filter(|more| *more > 0) {
        let _ = writeln!(text, "    … and {} more (--all shows them)", counted(more as u64, what));
    }
    text
}

fn one(change: &Change, object: Option<&Object>) -> String {
    let (sign, fields): (char, &[FieldChange]) = match change {
        Change::Remove { .. } => ('-', &[]),
        Change::Add { fields, .. } => ('+', fields),
        Change::Update { fields, .. } => ('~', fields),
    };
    let devices = object.map_or(String::new(), |object| format!("  {}", counted(object.devices.len(), "device")));
    let mut text = format!("  {sign} {}{devices}\n", change.id());
    if let Some(object) = object {
        let from: Vec<String> = object.from.iter().map(ToString::to_string).collect();
        let from = if from.is_empty() { String::new() } else { format!(" · {}", from.join(", ")) };
        let _ = writeln!(text, "      {}{from}", object.about);
    }
    for change in fields {
        text += &field(change);
    }
    text
}

fn field(FieldChange { path, before, after }: &FieldChange) -> String {
    match (before, after) {
        (None, Some(after)) => format!("      + {path} = {}\n", value(after)),
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len().max(after.len()) > LIST_MOST => {
            let texts = |items: &[Value]| items.iter().map(Value::to_string).collect::<BTreeSet<String>>();
            let (was_in, is_in) = (texts(before), texts(after));
            let (added, gone) = (is_in.difference(&was_in).count(), was_in.difference(&is_in).count());
            let (was, is) = (figure(before.len() as u64), figure(after.len() as u64));
            format!(
                "      ~ {path}: {was} → {is} entries ({} more, {} fewer)\n",
                figure(added as u64),
                figure(gone as u64)
            )
        }
        (Some(before), Some(after)) => format!("      ~ {path}: {} → {}\n", value(before), value(after)),
        (Some(before), None) => format!("      - {path} (was {})\n", value(before)),
        (None, None) => String::new(),
    }
}

fn value(value: &Value) -> String {
    if let Value::Array(items) = value
        && items.len() > LIST_MOST
    {
        return format!("{} entries", figure(items.len() as u64));
    }
    let text = value.to_string();
    if text.chars().count() <= VALUE_MOST {
        return text;
    }
    text.chars().take(VALUE_MOST).chain(['…']).collect()
}

fn summary(compiled: &Compiled) -> String {
    let (mut add, mut update, mut remove) = (0, 0, 0);
    for change in compiled.targets.iter().flat_map(|plan| &plan.changes) {
        match change {
            Change::Remove { .. } => remove += 1,
            Change::Add { .. } => add += 1,
            Change::Update { .. } => update += 1,
        }
    }
    let targets = counted(compiled.targets.len() as u64, "target");
    format!("Plan: {add} to add, {update} to change, {remove} to remove on {targets}.\n")
}

/// `1 device`, `2,000 devices`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", figure(number))
}

/// `1,000,000`.
pub(crate) fn figure(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn load(load: Load) -> String {
    let bytes = match load.bytes {
        bytes if bytes < 10_000 => format!("{} bytes", figure(bytes)),
        bytes if bytes < 10_000_000 => format!("{} kB", figure(bytes / 1_000)),
        bytes => format!("{} MB", figure(bytes / 1_000_000)),
    };
    format!("{} and {bytes}", counted(load.calls, "call"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_at_a_glance() {
        assert_eq!([figure(0), figure(999), figure(1_000), figure(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(load(Load { calls: 1, bytes: 12_345_678 }), "1 call and 12 MB");
    }
}
