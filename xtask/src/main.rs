//! Chores of the project: `cargo xtask VERB`.
//!
//! The same verbs run on a laptop and in CI; `.ci/run` only lines them up.

mod directions;
mod generate;
mod instructions;
mod lab;
mod package;
mod process;
mod tests;
mod trial;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask try            build Refit and show what it would do on this machine, changing nothing
cargo xtask test [ARGS]    install what the tests need (as root) and run them all
cargo xtask lab            24 hosts go through rollouts that go well and that don't (as root); --small, --only NAMES, --report FILE
cargo xtask instructions   count what the hot ways of the fleet engine take, against what was recorded; with --write, record it
cargo xtask directions     check that dependencies point downwards only
cargo xtask package        build the Debian package of the agent, or with --rpm the other; --dev is quicker and larger, --out DIR says where
cargo xtask generate       write generated files; with --check, fail where they are not up to date
";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match verb.as_str() {
        "try" => trial::run(),
        "test" => tests::run(&rest),
        "lab" => lab::run(&rest),
        "package" => package::run(&rest),
        "instructions" => instructions::run(&rest),
        "directions" => directions::run(),
        "generate" => generate::run(rest.iter().any(|argument| argument == "--check")),
        "" | "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no verb `{other}`\n{HELP}"),
    }
}
