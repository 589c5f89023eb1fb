//! The part that runs inside a device.

use jiff::Timestamp;
use refit_agent::providers::{
    Provider,
    apt::Apt,
    dnf::Dnf,
    narrow::{Dropped, Settled},
    transaction::{ApplyOptions, Change, Permissions},
};
use refit_model::{TitleId, Version};
use serde_json::{Value, json};
use std::time::Duration;

/// Where a question is.
pub const QUESTION: &str = "REFIT_TEST_QUESTION";
/// What the line with the answer begins with.
pub const ANSWER: &str = "ANSWER ";

#[test]
#[ignore = "the other tests run it, inside a device"]
fn driver() {
    let question: Value = serde_json::from_str(&std::env::var(QUESTION).unwrap()).unwrap();
    println!("\n{ANSWER}{}", answer(&question));
}

fn answer(question: &Value) -> Value {
    let provider: Box<dyn Provider> = match question["manager"].as_str().unwrap() {
        "apt" => Box::new(Apt),
        "dnf" => match question["root"].as_str() {
            Some(root) => Box::new(Dnf::in_root(root)),
            None => Box::new(Dnf::new()),
        },
        other => panic!("no provider {other}"),
    };
    let now = Timestamp::now();
    let changes: Vec<Change> =
        question["changes"].as_array().into_iter().flatten().map(|change| parse(&*provider, change)).collect();
    match question["verb"].as_str().unwrap() {
        "installs" => told(provider.installs()),
        "available" => told(provider.available(&[], now)),
        "refresh" => told(provider.refresh(Duration::from_secs(5), &mut |_| {})),
        "simulate" => told(provider.simulate(&changes, now)),
        "narrow" => {
            let permissions = Permissions {
                extra_upgrades: question["extra_upgrades"] == true,
                installs: question["installs"] == true,
                removals: false,
            };
            let narrowed = provider.narrow(&Settled::default(), &changes, permissions);
            told(narrowed.map(|narrowed| {
                let words = |dropped: &Dropped| {
                    let words: Vec<String> =
                        dropped.obstacles.iter().map(|it| it.in_words(provider.manager())).collect();
                    format!("{}: {}", provider.manager().name_of(&dropped.change.title), words.join("; "))
                };
                json!({
                    "actions": narrowed.actions.keys().collect::<Vec<_>>(),
                    "dropped": narrowed.dropped.iter().map(words).collect::<Vec<_>>(),
                    "needed_by": narrowed.needed_by,
                })
            }))
        }
        // `only` leaves out of the transaction what comes along; `planned` takes it from a simulation made earlier.
        verb @ ("apply" | "apply only what is named") => {
            let simulated = match provider.simulate(&changes, now) {
                Ok(simulated) => simulated,
                Err(error) => return json!({ "error": error.to_string(), "at": "simulate" }),
            };
            let mut transaction = simulated.transaction(Permissions::default());
            if verb != "apply" {
                transaction.actions.retain(|title, _| changes.iter().any(|change| change.title == *title));
            }
            let options = ApplyOptions {
                lock_limit: Duration::from_secs(1),
                margin_bytes: question["margin"].as_u64().unwrap_or(0),
                ..ApplyOptions::default()
            };
            told(provider.apply(&transaction, options, &|| false, &mut |_| {}))
        }
        other => panic!("no verb {other}"),
    }
}

fn told<T: serde::Serialize, E: std::fmt::Display>(result: Result<T, E>) -> Value {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn parse(provider: &dyn Provider, change: &Value) -> Change {
    let to = change[1].as_str().map(|text| Version::parse(provider.manager().scheme(), text).unwrap());
    Change { title: TitleId::new(change[0].as_str().unwrap()), to }
}
