//! What time it is where a device is.

use super::*;

#[test]
fn the_zone_of_a_site_counts_until_an_agent_says_its_own() {
    let mut company = Company::new();
    let zones = "\ntime_zones: { sites: { Kiel: europe/berlin }, countries: { DE: Europe/Berlin } }\nrollouts:\n";
    company.shell.apply(&POLICY.replace("\nrollouts:\n", zones));
    let zone = |company: &Company| -> Vec<String> {
        company.facts("m-1-0").into_iter().filter(|fact| fact.starts_with("timezone")).collect()
    };
    company.reads("mdm", vec![laptop("m-1", SERIAL, &[("device.site", "Kiel")])]);
    assert_eq!(zone(&company), ["timezone by refit: Europe/Berlin"]);
    company.hours(1);
    company.joins("a1", SERIAL);
    company.follow();
    assert_eq!(zone(&company), ["timezone by refit: Europe/Berlin"], "the agent has not said it yet");
    company.hours(1);
    let observed = company.shell.now;
    company.shell.tell(Input::Observe(Observation {
        device: DeviceId::new("a1"),
        source: "agent".into(),
        observed,
        facts: BTreeMap::from([("device.timezone".into(), Some(Plain::Text("Asia/Tokyo".into())))]),
        installs: None,
        universe: None,
        check_in: None,
    }));
    company.follow();
    assert_eq!(zone(&company), ["timezone by agent: Asia/Tokyo"]);
}
