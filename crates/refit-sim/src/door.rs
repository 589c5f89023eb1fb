//! What comes through the agents' door besides observations and receipts: enrolments, certificates, roots and mandates, what
//! devices say of their directives. It follows from the device and the number of its check-in alone and draws nothing.

use super::run::Run;
use refit_core::control::{
    Actor, AgentInput, ComplaintReceived, DeviceSet, DeviceStands, EnrolmentRecord, Input, MandatePublished,
    RootPublished, TokenId,
};
use refit_model::DeviceId;
use refit_wire::{
    Digest,
    protocol::{Problem, Standing, WaitsFor},
};
use smol_str::{SmolStr, format_smolstr};

/// The one enrolment token of a run.
const ENROLMENT: &str = "enrolment-1";

impl Run {
    /// What comes with a check-in.
    pub fn at_the_door(&self, actor: &Actor, device: &DeviceId, check_in: u64) -> Vec<(Actor, Input)> {
        let Some(server) = &self.server else { return Vec::new() };
        let (state, now) = (&server.state, self.now);
        let soon = now.checked_add(jiff::SignedDuration::from_hours(30 * 24)).unwrap_or(now);
        let digest = |text: &str| SmolStr::from(Digest::of(text.as_bytes()).to_string());
        let by_server = |input| (Actor::server(), Input::Agents(input));
        let by_device = |input| (actor.clone(), Input::Agents(input));
        let mut inputs = Vec::new();
        if !state.agents.enrolments.contains_key(&TokenId::new(ENROLMENT)) {
            let record = EnrolmentRecord {
                hash: digest("secret"),
                name: "simulated".into(),
                made: now,
                expires: soon,
                uses: 30,
                used: 0,
                revoked: None,
            };
            inputs.push(by_server(AgentInput::Epoch(1)));
            inputs.push(by_server(AgentInput::CreateEnrolment { enrolment: TokenId::new(ENROLMENT), record }));
        }
        let serial = format_smolstr!("{device}-{check_in}");
        let Some(agent) = state.agents.devices.get(device) else {
            inputs.push(by_server(AgentInput::Join {
                enrolment: TokenId::new(ENROLMENT),
                device: device.clone(),
                machine: digest(device.as_str()),
                name: None,
                agent: "0".into(),
                serial,
                until: soon,
            }));
            return inputs;
        };
        if let (0, Some(newest)) = (check_in % 5, agent.certificates.last()) {
            let beside = newest.serial.clone();
            inputs.push(by_device(AgentInput::Issue { device: device.clone(), beside, serial, until: soon }));
        }
        let waits_for = if check_in.is_multiple_of(3) { WaitsFor::Window } else { WaitsFor::Nothing };
        let problem = Problem { code: "clock".into(), what: "no valid time".into(), since: now };
        inputs.push(by_device(AgentInput::Stands(DeviceStands {
            device: device.clone(),
            agent: "0".into(),
            standing: vec![Standing { directive: "d".into(), waits_for, until: Some(now) }],
            problems: if check_in.is_multiple_of(11) { vec![problem] } else { Vec::new() },
        })));
        if check_in.is_multiple_of(7) {
            inputs.push(by_device(AgentInput::Complaint(ComplaintReceived {
                device: device.clone(),
                complaint: format_smolstr!("{device}-{}", check_in / 14),
                at: now,
                title: None,
                text: digest("it is slow"),
            })));
        }
        let index = state.device(device).map(|record| record.index);
        let this: DeviceSet = index.into_iter().collect();
        inputs.push(by_device(AgentInput::Seen(this.clone())));
        if let Some((_, since)) = &state.brake {
            let seconds = u64::try_from(now.duration_since(*since).as_secs()).unwrap_or(0);
            inputs.push(by_device(AgentInput::Braked { since: *since, after: vec![(seconds, this)] }));
        }
        match check_in % 13 {
            2 => {
                let version = state.agents.root().map_or(0, |(version, _)| version) + 1;
                inputs.push(by_server(AgentInput::PublishRoot(RootPublished {
                    version,
                    organization: "acme".into(),
                    fingerprint: digest(&format!("root {version}")),
                    content: digest("a root"),
                    expires: soon,
                })));
            }
            4 => {
                let number = state.agents.mandate().map_or(0, |(number, _)| number) + 1;
                inputs.push(by_server(AgentInput::PublishMandate(MandatePublished {
                    number,
                    digest: digest(&format!("mandate {number}")),
                    content: digest("a mandate"),
                    policy: digest("policy"),
                    expires: soon,
                    lease_seconds: 3_600,
                })));
            }
            6 => inputs.push(by_server(AgentInput::Revoke { device: device.clone(), why: "lost".into() })),
            8 => inputs.push(by_server(AgentInput::RevokeEnrolment { enrolment: TokenId::new(ENROLMENT) })),
            _ => {}
        }
        inputs
    }
}
