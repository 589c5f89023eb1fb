//! Test documents: a small world, the decisions in it, and what was expected.

mod compare;
pub(crate) mod world;

pub use compare::{Mismatch, Slot};

use super::{
    diagnostic::{Diagnostic, Files, Place, Severity, did_you_mean},
    document::{
        policy::Mode,
        scalars::FORMATS,
        test::{Expectation, TestDocument},
    },
    load::{Documents, Written},
    repository::Repository,
    resolve::{Titles, resolve},
    syntax::{Node, Shape},
};
use crate::{
    decide::{Decision, View, decide_title},
    steps,
    world::{Device, World},
};
use jiff::Timestamp;
use refit_model::DeviceId;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

/// What became of one test.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it shows.
    pub name: String,
    /// What was not as expected; empty is: it passed.
    pub mismatches: Vec<Mismatch>,
    /// What is wrong with the test itself, or with the documents that it brings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Outcome {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty() && !self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }
}

/// Runs one test against the documents that it brings, or against those of the repository that it is in.
///
/// Policies are enforced, whatever their mode. Life cycles of branches come from the repository's own `title:` documents only,
/// not from the catalog: a test says itself what is so.
pub fn run(test: &Written<TestDocument>, own: &Documents, files: &Files, catalog: &Titles) -> Outcome {
    let mut outcome = Outcome { name: test.document.test.clone(), mismatches: Vec::new(), diagnostics: Vec::new() };
    let catalog = without_life_cycles(catalog);
    let documents = documents_of(test, own, &mut outcome.diagnostics);
    let (mut repository, found) = resolve(&documents, files, &catalog);
    if test.document.repository.is_some() {
        outcome.diagnostics.extend(found);
    }
    for policy in &mut repository.policies {
        policy.mode = Mode::Enforce;
    }
    let built = world::build(test, &repository, files, &mut outcome.diagnostics);
    let expected = expectations(test, &mut outcome.diagnostics);
    if outcome.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return outcome;
    }
    for (device, slots) in &expected {
        let Some(found) = built.devices.iter().find(|known| known.id == *device) else { continue };
        for (slot, (expectation, node)) in slots {
            let decisions = decide_title(&repository, &built.world, found, &slot.title, built.now);
            match pick(&decisions, slot) {
                Some(decision) => {
                    let context = compare::Context {
                        test,
                        files,
                        device,
                        slot,
                        node,
                        view: View { now: built.now, zone: found.zone() },
                    };
                    outcome.mismatches.extend(compare::compare(&context, expectation, decision, &repository));
                }
                None => outcome.mismatches.push(Mismatch::no_slot(test, files, device, slot, node)),
            }
        }
    }
    outcome
}

/// The world of a test, and the repository that it is decided by.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The repository; all policies are enforced.
    pub repository: Repository,
    /// The world.
    pub world: World,
    /// The devices in it.
    pub devices: Vec<Device>,
    /// The time.
    pub now: Timestamp,
}

/// What [`run`] decides about, for whoever wants to decide it in another way; `None` where the test can't be read.
pub fn situation(test: &Written<TestDocument>, own: &Documents, files: &Files, catalog: &Titles) -> Option<Situation> {
    let mut diagnostics = Vec::new();
    let documents = documents_of(test, own, &mut diagnostics);
    let (mut repository, _) = resolve(&documents, files, &without_life_cycles(catalog));
    for policy in &mut repository.policies {
        policy.mode = Mode::Enforce;
    }
    let built = world::build(test, &repository, files, &mut diagnostics);
    let sound = !diagnostics.iter().any(|found| found.severity == Severity::Error);
    sound.then_some(Situation { repository, world: built.world, devices: built.devices, now: built.now })
}

/// What is wrong with a test itself, and with the documents that it brings: what [`run`] would report without deciding anything, and
/// what it expects of titles and policies that nothing knows.
pub fn review(test: &Written<TestDocument>, own: &Documents, files: &Files, catalog: &Titles) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let documents = documents_of(test, own, &mut diagnostics);
    let (repository, found) = resolve(&documents, files, &without_life_cycles(catalog));
    if test.document.repository.is_some() {
        diagnostics.extend(found);
    }
    review_against(test, &repository, files, &mut diagnostics);
    diagnostics
}

/// As [`review`], for a test that brings no documents of its own, against the repository that it is in.
pub fn review_in(test: &Written<TestDocument>, repository: &Repository, files: &Files) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    review_against(test, repository, files, &mut diagnostics);
    diagnostics
}

fn review_against(
    test: &Written<TestDocument>,
    repository: &Repository,
    files: &Files,
    diagnostics: &mut Vec<Diagnostic>,
) {
    world::build(test, repository, files, diagnostics);
    let expected = expectations(test, diagnostics);
    let place = |node: &Node| Place { file: test.file, span: node.span.clone() };
    for (slot, (expectation, node)) in expected.values().flatten() {
        let in_world = |title: &str| {
            let world = &test.document.world;
            let devices = world.device.iter().chain(&world.devices);
            let installed = devices.filter_map(|device| device.installed.as_ref()).flatten().chain(&world.installed);
            installed.map(|install| &install.title).any(|known| known == title)
                || world.releases.iter().any(|release| release.title == title)
        };
        let title = slot.title.as_str();
        if slot.title.package().is_none() && !repository.titles.contains_key(&slot.title) && !in_world(title) {
            let near = did_you_mean(title, repository.titles.keys().map(|known| known.as_str()));
            let help = near.map_or_else(
                || "titles are those of the catalog and of `title:` documents".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let key = key_of(test, node).map_or_else(|| place(node), place);
            diagnostics.push(
                Diagnostic::error("test/unknown-name", "unknown title")
                    .at(key)
                    .label(format!("no title `{title}` is known, and the world has none"))
                    .with_help(help),
            );
        }
        let policy = expectation.policy.iter().flatten().find(|name| repository.policy(name).is_none());
        if let Some(name) = policy {
            let near = did_you_mean(name, repository.policies.iter().map(|policy| policy.name.as_str()));
            let mut diagnostic = Diagnostic::error("test/unknown-name", "unknown policy")
                .at(place(node.get("policy").unwrap_or(node)))
                .label(format!("the repository has no policy `{name}`"));
            if let Some(near) = near {
                diagnostic = diagnostic.with_help(format!("did you mean `{near}`?"));
            }
            diagnostics.push(diagnostic);
        }
    }
}

/// The key under which a part of what is expected stands.
fn key_of<'n>(test: &'n Written<TestDocument>, part: &Node) -> Option<&'n Node> {
    let expect = test.node.get("expect")?;
    let below = expect.entries().iter().flat_map(|(_, value)| value.entries());
    expect.entries().iter().chain(below).find(|(_, value)| value.span == part.span).map(|(key, _)| key)
}

/// The decision about the slot that is meant: of the only branch, or of the one that is named.
fn pick<'d>(decisions: &'d [Decision], slot: &Slot) -> Option<&'d Decision> {
    match &slot.branch {
        Some(branch) => decisions
            .iter()
            .find(|decision| decision.slot.branch.as_ref().is_some_and(|known| known.as_str() == branch.as_str())),
        None => match decisions {
            [only] => Some(only),
            _ => None,
        },
    }
}

/// The documents that a test is decided by: those that it brings, else the repository's own.
fn documents_of<'d>(
    test: &Written<TestDocument>,
    own: &'d Documents,
    diagnostics: &mut Vec<Diagnostic>,
) -> Cow<'d, Documents> {
    match test.node.get("repository") {
        Some(list) => Cow::Owned(inline_documents(list, test.file, diagnostics)),
        None => Cow::Borrowed(own),
    }
}

fn inline_documents(list: &Node, file: usize, diagnostics: &mut Vec<Diagnostic>) -> Documents {
    let mut documents = Documents::default();
    for node in list.items() {
        documents.add(node.clone(), file, diagnostics);
    }
    documents
}

type Expected<'n> = BTreeMap<DeviceId, Vec<(Slot, (Expectation, &'n Node))>>;

/// What is expected of each device and slot.
fn expectations<'n>(test: &'n Written<TestDocument>, diagnostics: &mut Vec<Diagnostic>) -> Expected<'n> {
    let mut expected = Expected::new();
    let Some(node) = test.node.get("expect") else { return expected };
    if node.entries().is_empty() {
        diagnostics.push(nothing_expected(test.key_place(steps!["expect"])));
    }
    let world = &test.document.world;
    if world.devices.is_empty() {
        let Some(device) = &world.device else { return expected };
        expected.insert(DeviceId::new(&device.id), slots(node, test.file, diagnostics));
        return expected;
    }
    for (key, value) in node.entries() {
        let Some(id) = key.text() else { continue };
        if !world.devices.iter().any(|device| device.id == id) {
            let known: Vec<&str> = world.devices.iter().map(|device| device.id.as_str()).collect();
            diagnostics.push(
                Diagnostic::error("test/unknown-device", "unknown device")
                    .at(Place { file: test.file, span: key.span.clone() })
                    .label(format!("the world has no device `{id}`"))
                    .with_help(format!("with `devices`, expectations are listed by device: {}", known.join(", "))),
            );
            continue;
        }
        expected.insert(DeviceId::new(id), slots(value, test.file, diagnostics));
    }
    expected
}

/// A test that expects nothing passes whatever is decided.
fn nothing_expected(place: Place) -> Diagnostic {
    Diagnostic::error("test/expects-nothing", "test that expects nothing")
        .at(place)
        .label("whatever is decided would be right")
        .with_help("write what is expected, such as `{ compliance: due }`")
}

fn slots<'n>(node: &'n Node, file: usize, diagnostics: &mut Vec<Diagnostic>) -> Vec<(Slot, (Expectation, &'n Node))> {
    static SHAPE: LazyLock<Shape<Expectation>> = LazyLock::new(|| Shape::new(FORMATS));
    let mut slots = Vec::new();
    for (key, value) in node.entries() {
        let Some(name) = key.text() else { continue };
        if value.entries().is_empty() {
            diagnostics.push(nothing_expected(Place { file, span: key.span.clone() }));
        }
        let (expectation, found) = SHAPE.decode(value, file);
        diagnostics.extend(found);
        if let Some(expectation) = expectation {
            slots.push((Slot::parse(name), (expectation, value)));
        }
    }
    slots
}

fn without_life_cycles(catalog: &Titles) -> Titles {
    let mut titles = (**catalog).clone();
    titles.values_mut().for_each(|title| title.branches.clear());
    Arc::new(titles)
}
