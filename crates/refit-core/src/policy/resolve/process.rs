//! Business processes: their names, what they are told of, and the rings that wait for them.

use super::Resolver;
use crate::{
    policy::{
        diagnostic::Diagnostic,
        document::organization::OrganizationDocument,
        load::{Documents, Written},
    },
    process::compile_condition,
    steps,
};

impl Resolver<'_> {
    pub(super) fn processes(&mut self, documents: &Documents, organization: Option<&Written<OrganizationDocument>>) {
        let mut names = Vec::new();
        for written in self.unique(&documents.processes, |process| &process.process, "process") {
            names.push(written.document.process.as_str());
            let Some(condition) = &written.document.condition else { continue };
            for error in compile_condition(&condition.0).err().into_iter().flatten() {
                let place = written.place_within(steps!["where"], error.range.clone(), self.files);
                let mut diagnostic = Diagnostic::error(error.code, error.message).at(place).label(error.label);
                diagnostic.help = error.help;
                self.report(diagnostic);
            }
        }
        let Some(written) = organization else { return };
        for (name, rollout) in &written.document.rollouts {
            for (index, ring) in rollout.rings.iter().enumerate() {
                let Some(process) = &ring.approval else { continue };
                let place = written.place(steps!["rollouts", name, "rings", index, "approval"]);
                if !names.contains(&process.as_str()) {
                    self.unknown_name("process", process, &names, place);
                } else if index == 0 {
                    self.report(
                        Diagnostic::error("policy/first-approval", "approval of what has not begun")
                            .at(place)
                            .label("people are asked when the first ring opens")
                            .with_help("put it at a later ring, and let the first one be small"),
                    );
                }
            }
        }
    }
}
