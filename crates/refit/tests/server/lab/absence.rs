//! A device that comes back after weeks.

use super::site::{Lab, release};
use jiff::{SignedDuration, Timestamp};
use refit_testbed::Host;

/// What the agent remembers.
const JOURNAL: &str = "/var/lib/refit-agent/journal.json";
/// How long a device that comes back is in use before something overdue is forced.
const GRACE_SECONDS: i64 = 86_400;

/// A device that was away for three weeks has its grace, and then catches up.
///
/// Three days of absence and a day of use can't be made shorter: the agent's memory is set while it does not run.
pub fn back(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A device is back after three weeks",
        "While it was away a release came out, and became overdue. A day of use has to pass after its return before it is forced. The \
         agent is real, and what it remembers of its last use is set back while it does not run; so is the day of use.",
    );
    lab.policy.of("archiver", "deadline: [{ within: 1s }]");
    lab.apply();
    let hosts = lab.hosts.fleet.hosts();
    let away = hosts.iter().rfind(|host| host.name.starts_with("apt-")).unwrap();
    lab.stop_agent(away);
    usage(away, &|usage| usage["last"] = three_weeks_ago().into());
    lab.report.did("lab", &format!("{}: the agent is stopped, and was last in use three weeks ago", away.name));
    lab.publish([release("archiver", "1.1", "")]);
    lab.until_installed("archiver", "1.1", |host| host.name != away.name);
    lab.report.did("lab", "all others have 1.1, which is overdue a second after it was offered");

    lab.start_agent(away);
    lab.report.did("lab", &format!("{} is back", away.name));
    let waits = |lab: &Lab<'_>| lab.hosts.agent(away, "status").1.contains("grace");
    lab.until("the device waits for its grace", waits);
    lab.check_ins(4);
    let now = || away.device.database()["archiver"].version.clone();
    assert_eq!(now(), "1.0", "{}", lab.hosts.agent(away, "status").1);
    lab.report.found(
        "four check-ins after its return the agent says that it waits for its grace, and dpkg that nothing has changed",
    );

    lab.stop_agent(away);
    usage(away, &|usage| {
        assert!(!usage["returned"].is_null(), "{usage}");
        usage["seconds"] = (GRACE_SECONDS - 5).into();
    });
    lab.start_agent(away);
    lab.report.did("lab", &format!("{}: a day of use has passed, but for five seconds", away.name));
    lab.until_installed("archiver", "1.1", |_| true);
    super::rings::once_each(lab, "archiver", "1.0", "1.1");
    lab.tell("archiver", &["1.1"]);
    lab.report.end();
}

fn three_weeks_ago() -> String {
    (Timestamp::now() - SignedDuration::from_hours(21 * 24)).to_string()
}

/// Changes what an agent that does not run remembers of its use.
fn usage(host: &Host, change: &dyn Fn(&mut serde_json::Value)) {
    let root = host.device.root();
    let mut journal: serde_json::Value = serde_json::from_str(&root.read(JOURNAL)).unwrap();
    change(&mut journal["usage"]);
    root.write(JOURNAL, journal.to_string());
}
