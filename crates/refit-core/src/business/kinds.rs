//! The catalogue of business events. It is the one place where a type is declared; schemas, AsyncAPI and the reference are
//! generated from it, and a type that is not here can't be derived.

use super::{data, describe::schema_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who owns a type of events: whom to ask what it means, and who decides on changes of its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Department {
    /// Those who watch for vulnerabilities and attacks.
    Security,
    /// Those who keep identities and sign-in.
    Identity,
    /// People operations.
    People,
    /// Finance.
    Finance,
    /// Those who answer to auditors.
    Compliance,
    /// The help desk.
    Support,
    /// Those who run Refit, and the fleet.
    Engineering,
}

impl Department {
    /// All of them.
    pub const ALL: [Department; 7] = [
        Department::Security,
        Department::Identity,
        Department::People,
        Department::Finance,
        Department::Compliance,
        Department::Support,
        Department::Engineering,
    ];

    /// As events and filters write it.
    pub fn name(self) -> &'static str {
        match self {
            Department::Security => "security",
            Department::Identity => "identity",
            Department::People => "people",
            Department::Finance => "finance",
            Department::Compliance => "compliance",
            Department::Support => "support",
            Department::Engineering => "engineering",
        }
    }
}

/// Declares the types: name, version of the schema, department, data, trigger, and what clears it.
macro_rules! kinds {
    ($($variant:ident $name:literal $version:literal $department:ident $data:ident $trigger:literal [$($clears:ident)*])*) => {
        /// A type of business events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $trigger] $variant,)*
        }

        impl Kind {
            /// All types, as declared.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];
            /// Their names, as declared.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The `type` of the CloudEvent: `device.overdue`.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* }
            }

            /// The version of the schema of its data. It grows when a reader of the earlier one would be misled; more fields are no new version.
            pub fn version(self) -> u16 {
                match self { $(Kind::$variant => $version,)* }
            }

            /// Who owns it.
            pub fn department(self) -> Department {
                match self { $(Kind::$variant => Department::$department,)* }
            }

            /// When it comes.
            pub fn trigger(self) -> &'static str {
                match self { $(Kind::$variant => $trigger,)* }
            }

            /// The types that say that it is so no longer, for the same subject; none where it is a moment and not a state.
            pub fn cleared_by(self) -> &'static [Kind] {
                match self { $(Kind::$variant => &[$(Kind::$clears),*],)* }
            }

            /// The name of its data's type.
            pub fn data_name(self) -> &'static str {
                match self { $(Kind::$variant => stringify!($data),)* }
            }

            /// The JSON Schema of its data, without references.
            pub fn data_schema(self) -> Value {
                match self { $(Kind::$variant => schema_of::<data::$data>(),)* }
            }
        }
    };
}

kinds! {
    DeviceDue "device.due" 1 Compliance StandingData
        "An obligation of a slot has opened, and its time has not come." [DeviceCompliant DeviceOverdue DeviceRetired]
    DeviceOverdue "device.overdue" 1 Compliance StandingData
        "The due time of an obligation has come, and it is still open." [DeviceCompliant DeviceDue DeviceRetired]
    DeviceDueMoved "device.due_moved" 1 Compliance StandingData
        "The due time of what is open is another: a KEV listing, an exception, a fact that ended a provisional answer." []
    DeviceCompliant "device.compliant" 1 Compliance StandingData
        "Nothing obliges the slot any more: what was asked for was observed, or is asked for no longer." [DeviceDue DeviceOverdue]
    DeviceUnsupported "device.unsupported" 1 Finance StandingData
        "No release that satisfies will ever be offered to the device: it has to be replaced by the due time." [DeviceCompliant DeviceDue DeviceOverdue DeviceRetired]
    DeviceUndetermined "device.undetermined" 1 Support StandingData
        "Whether a policy applies to the slot is unknown, for want of a fact." [DeviceCompliant DeviceDue DeviceOverdue DeviceUnsupported DeviceRetired]
    DeviceUnseen "device.unseen" 1 Support DevicesData
        "The device was last seen too long ago to say how it stands." [DeviceSeen DeviceRetired]
    DeviceSeen "device.seen" 1 Support DevicesData
        "A device that was not seen for too long is seen again." [DeviceUnseen]
    ExposureOpened "exposure.opened" 1 Security ExposureData
        "An advisory affects what is installed, and a policy obliges to close it or it is known to be exploited." [ExposureClosed DeviceRetired]
    ExposureExploited "exposure.exploited" 1 Security ExposureData
        "An open exposure has become known to be exploited (CISA KEV)." [ExposureClosed DeviceRetired]
    ExposureClosed "exposure.closed" 1 Security ExposureData
        "An advisory affects what is installed no more, was withdrawn, or obliges to nothing any more." [ExposureOpened]
    DeviceEnrolled "device.enrolled" 1 Support DeviceData
        "A device was first known." [DeviceRetired]
    DeviceRetired "device.retired" 1 Finance DeviceData
        "A device is no longer managed. All that was open of it is cleared." []
    DeviceMerged "device.merged" 1 Support DeviceMergedData
        "Two devices turned out to be one: what was open of the one that is no more is cleared." [DeviceSplit]
    DeviceSplit "device.split" 1 Support DeviceMergedData
        "A device that was merged into another is by itself after all." [DeviceMerged]
    DeviceJoined "device.joined" 1 Identity DeviceJoinedData
        "A device's agent enrolled, for the first time or again." []
    DeviceQuarantined "device.quarantined" 1 Security DeviceReasonData
        "Two histories claim one device: it is given nothing new until a person has looked." [DeviceQuarantineLifted DeviceRetired]
    DeviceQuarantineLifted "device.quarantine_lifted" 1 Security DeviceReasonData
        "A person says that a device is one again." [DeviceQuarantined]
    DeviceAssigned "device.assigned" 1 Support DeviceAssignedData
        "A device was given to a person, or to nobody." [DeviceAssigned]
    PersonJoined "person.joined" 1 People PersonData
        "Somebody's employment has begun." [PersonLeft]
    PersonLeft "person.left" 1 People PersonData
        "Somebody's employment has ended: devices have to come back." [PersonJoined]
    PersonMoved "person.moved" 1 People PersonData
        "Somebody's department or office is another." []
    PersonErased "person.erased" 1 Compliance PersonData
        "All personal values of a person were erased." []
    SourceFailed "source.failed" 1 Identity SourceData
        "A source of facts can't be read; its last good state counts." [SourceRecovered SourceShrank]
    SourceShrank "source.shrank" 1 Identity SourceData
        "A source of facts suddenly has far fewer records, and is not believed; its last good state counts." [SourceRecovered SourceFailed]
    SourceRecovered "source.recovered" 1 Identity SourceData
        "A source of facts is believed again." [SourceFailed SourceShrank]
    ReleasePublished "release.published" 1 Engineering ReleaseData
        "A release became known." []
    AdvisoryPublished "advisory.published" 1 Security AdvisoriesData
        "Advisories of a title became known, or what is known of them has changed." [AdvisoryWithdrawn]
    AdvisoryWithdrawn "advisory.withdrawn" 1 Security AdvisoriesData
        "Advisories of a title no longer count." []
    PlanProposed "plan.proposed" 1 Engineering PlanData
        "Somebody asked what a policy revision would change; people may approve it." [PlanApproved PlanRejected PolicyApplied]
    PlanApproved "plan.approved" 1 Compliance PlanData
        "A person approved a plan." []
    PlanRejected "plan.rejected" 1 Compliance PlanData
        "A person rejected a plan." []
    PolicyApplied "policy.applied" 1 Compliance PolicyData
        "A policy revision is in force." [PolicyApplied]
    MovesHeld "moves.held" 1 Engineering MovesHeldData
        "Changes that a budget or the applied plan does not permit wait for a person." [PlanApproved PlanRejected MovesFreed]
    MovesFreed "moves.freed" 1 Engineering MovesHeldData
        "Devices wait no longer: what was held for them was permitted, or is not wanted any more." [MovesHeld]
    RolloutRingOpened "rollout.ring_opened" 1 Engineering RolloutData
        "A ring of a rollout opened for a release." [RolloutHalted]
    RolloutPassed "rollout.passed" 1 Engineering RolloutData
        "A gate passed: the next ring may open." [RolloutHalted RolloutResumed]
    RolloutHalted "rollout.halted" 1 Engineering RolloutData
        "A release was halted, by its gate or by a person: it is given to nobody any more." [RolloutResumed RolloutPassed]
    RolloutResumed "rollout.resumed" 1 Engineering RolloutData
        "What a gate or a person had answered for a release was taken back." []
    RolloutAsks "rollout.asks" 1 Engineering RolloutData
        "A person is asked whether a release goes on, because its gate does not say." [RolloutPassed RolloutHalted RolloutRingOpened]
    RolloutExpedited "rollout.expedited" 1 Engineering RolloutData
        "Somebody asked that a release waits for no gate." []
    FleetStopped "fleet.stopped" 1 Engineering ReasonData
        "Everything was stopped by the brake." [FleetResumed]
    FleetResumed "fleet.resumed" 1 Engineering ReasonData
        "What was stopped by the brake goes on." [FleetStopped]
    UpdateSucceeded "update.succeeded" 1 Support UpdateData
        "A device was seen running what it was given." []
    UpdateRestartPending "update.restart_pending" 1 Support UpdateData
        "What a device was given is installed, and a restart is still needed." [UpdateSucceeded UpdateFailed]
    UpdateFailed "update.failed" 1 Support UpdateData
        "A change was tried, and the device does not run what it was given." [UpdateSucceeded]
    ComplaintReceived "complaint.received" 1 Support ComplaintData
        "A person said on their device that something is broken." []
    TokenCreated "token.created" 1 Security AccessData
        "A token of this server was made." [TokenRevoked]
    TokenRevoked "token.revoked" 1 Security AccessData
        "A token of this server no longer counts." []
    EnrolmentCreated "enrolment.created" 1 Security AccessData
        "A token was made with which devices enrol." [EnrolmentRevoked]
    EnrolmentRevoked "enrolment.revoked" 1 Security AccessData
        "A token with which devices enrolled no longer counts." []
    CertificateRevoked "certificate.revoked" 1 Identity DeviceReasonData
        "No certificate of a device counts any more: it has to enrol again." [DeviceJoined]
    RootPublished "root.published" 1 Security SignedData
        "The organisation published a root of trust." [RootPublished]
    MandatePublished "mandate.published" 1 Security SignedData
        "The organisation published a mandate: what the server may ask of devices at most." [MandatePublished]
    TargetDrifted "target.drifted" 1 Engineering TargetData
        "In a system that configuration is written to something is otherwise than Refit left it: somebody has changed it by hand." [TargetRestored]
    TargetRestored "target.restored" 1 Engineering TargetData
        "What was changed by hand in a system is as it should be again: somebody or Refit has undone it." [TargetDrifted]
    ReportOpened "report.opened" 1 Support ReportData
        "Somebody says that something is broken: on the device, or to somebody who passed it on." [ReportClosed]
    ReportAnswered "report.answered" 1 Support ReportData
        "Somebody looks at a report." [ReportClosed]
    ReportClosed "report.closed" 1 Support ReportData
        "A report was closed: with a block, with a fix, or as no fault of an update." []
    ExceptionRequested "exception.requested" 1 Compliance ExceptionData
        "Somebody asks for an exception, and the rules permit to ask." [ExceptionGranted ExceptionRefused ExceptionWithdrawn ExceptionExpired]
    ExceptionGranted "exception.granted" 1 Compliance ExceptionData
        "An exception acts from now on." [ExceptionExpired ExceptionWithdrawn]
    ExceptionRefused "exception.refused" 1 Compliance ExceptionData
        "A person refused an exception." []
    ExceptionExpiring "exception.expiring" 1 Compliance ExceptionData
        "An exception ends soon: whoever still needs it asks again." [ExceptionExpired ExceptionWithdrawn]
    ExceptionExpired "exception.expired" 1 Compliance ExceptionData
        "An exception has ended, or nobody has decided in time." []
    ExceptionWithdrawn "exception.withdrawn" 1 Compliance ExceptionData
        "An exception was taken back before its end." []
    RolloutApproved "rollout.approved" 1 Compliance RolloutData
        "People agreed, in the system of a process, that a release goes on to the rings that wait for that." [RolloutRefused]
    RolloutRefused "rollout.refused" 1 Compliance RolloutData
        "People refused, in the system of a process, that a release goes on to the rings that wait for that." [RolloutApproved]
}

impl Kind {
    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The `dataschema` of the CloudEvent.
    pub fn schema_uri(self) -> String {
        format!("urn:refit:event:{}:{}", self.name(), self.version())
    }

    /// Whether it speaks of people, so that only who may read personal values gets it.
    pub fn is_personal(self) -> bool {
        use Kind::{DeviceAssigned, PersonErased, PersonJoined, PersonLeft, PersonMoved};
        matches!(self, PersonJoined | PersonLeft | PersonMoved | PersonErased | DeviceAssigned)
    }

    /// Whether it speaks of exposures alone, so that only who may read them gets it.
    pub fn is_of_exposures(self) -> bool {
        use Kind::{AdvisoryPublished, AdvisoryWithdrawn, ExposureClosed, ExposureExploited, ExposureOpened};
        matches!(self, ExposureOpened | ExposureExploited | ExposureClosed | AdvisoryPublished | AdvisoryWithdrawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_type_has_a_name_of_its_own_that_people_can_read() {
        let names: BTreeSet<&str> = Kind::NAMES.iter().copied().collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(names.len() >= 25);
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
            assert!(kind.trigger().ends_with('.'), "{kind:?}");
            let (group, what) = kind.name().split_once('.').unwrap();
            assert!([group, what].iter().all(|part| part.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
        }
    }

    #[test]
    fn every_department_owns_something() {
        let owners: BTreeSet<Department> = Kind::ALL.iter().map(|kind| kind.department()).collect();
        assert_eq!(owners.into_iter().collect::<Vec<_>>(), Department::ALL);
    }
}
