//! Plans: `/api/v1/plans`.

mod answer;
mod apply;
mod list;
mod make;
mod preview;

pub(super) use answer::*;
pub(super) use apply::*;
pub(super) use list::*;
pub(super) use make::*;
pub(super) use preview::*;

use super::problem::{Code, Problem};
use crate::shell::PlanProgress;
use refit_api::{Finding, PlanIs, PlanSummary};
use refit_core::{
    control::{FleetPlan, PlanId, PlanKind, PlanRecord, PolicyFiles, State},
    policy::{
        diagnostic::{self, Files, Severity, records},
        load::load_readable,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, sync::Arc};

/// How many findings a problem shows.
const FINDINGS_MOST: usize = 200;

/// A policy repository that has no errors, and its hash.
fn read(files: &PolicyFiles, catalog: &Titles) -> Result<(Repository, String), Problem> {
    let limits = Limits::default();
    let (mut read, mut found, mut unreadable) = (Files::default(), Vec::new(), BTreeSet::new());
    for (path, text) in &files.0 {
        if let Err(diagnostic) = read.add(path.clone(), text.as_bytes(), &limits) {
            found.push(*diagnostic);
            unreadable.insert(read.0.len().saturating_sub(1));
        }
    }
    let (documents, more) = load_readable(&read, &unreadable, &limits);
    found.extend(more);
    let (repository, more) = resolve(&documents, &read, catalog);
    found.extend(more);
    diagnostic::sort(&mut found, &read);
    let errors = found.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors == 0 {
        return Ok((repository, hash(&read)));
    }
    found.retain(|finding| finding.severity == Severity::Error);
    found.truncate(FINDINGS_MOST);
    let findings = records(&found, &read).into_iter().map(|record| Finding {
        severity: "error".to_owned(),
        code: record.code.to_owned(),
        message: record.message,
        label: record.label,
        file: record.file,
        line: record.line.map(|line| line as u64),
        column: record.column.map(|column| column as u64),
        line_text: record.line_text,
        notes: record.notes,
        help: record.help,
    });
    let findings: Vec<Finding> = findings.collect();
    let detail = match errors {
        1 => "the policy repository has 1 error".to_owned(),
        errors => format!("the policy repository has {errors} errors"),
    };
    Err(Problem { diagnostics: findings, ..Problem::new(Code::Policy, detail) }
        .help("`refit check` shows the same before anything is sent"))
}

/// SHA-256 over the paths and texts of a repository, as the command line has it.
fn hash(files: &Files) -> String {
    let mut hasher = Sha256::new();
    for file in &files.0 {
        // Lengths keep a file's name and text apart.
        hasher.update((file.path.len() as u64).to_be_bytes());
        hasher.update(file.path.as_bytes());
        hasher.update((file.text.len() as u64).to_be_bytes());
        hasher.update(file.text.as_bytes());
    }
    super::hex(&hasher.finalize())
}

/// Works out what a policy repository would change if it were applied now. It ends when whoever asked for it is gone.
async fn work_out(api: &super::Api, repository: Repository, hash: &str) -> Result<FleetPlan, Problem> {
    let plan = api.shell().plan_fleet(Arc::new(repository), hash.to_owned(), PlanProgress::default()).await?;
    plan.ok_or_else(|| Problem::new(Code::Timeout, "nobody waits for this plan any more"))
}

fn summary(state: &State, id: &PlanId, plan: &PlanRecord) -> PlanSummary {
    let (kind, replaces, policy_hash) = match &plan.kind {
        PlanKind::Policy { replaces, policy_hash, .. } => {
            (PlanIs::Policy, Some(*replaces), Some(policy_hash.to_string()))
        }
        PlanKind::Held { .. } => (PlanIs::Held, None, None),
    };
    PlanSummary {
        id: id.to_string(),
        kind,
        status: plan.status,
        made: plan.made,
        author: plan.author.to_string(),
        approvals: plan.approvals.iter().map(|(who, at)| (who.to_string(), *at)).collect(),
        approvals_needed: if kind == PlanIs::Held { 1 } else { state.approvals_needed },
        replaces,
        policy_hash,
    }
}

/// The plan as it was shown when it was made.
async fn content(api: &super::Api, digest: &str) -> Result<FleetPlan, Problem> {
    let lost = || {
        Problem::new(Code::Unavailable, format!("content {digest} is missing or damaged"))
            .help("restore the data folder from a backup")
    };
    let blob = api.shell().store().blob(digest).await?.ok_or_else(lost)?;
    api.beside(move || serde_json::from_slice(blob.body())).await?.map_err(|_| lost())
}
