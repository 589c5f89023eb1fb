//! `cargo xtask instructions`: how many instructions the hot ways of the fleet engine take, and how much memory they touch, held against what
//! was recorded.
//!
//! Times depend on the machine and on whoever else uses it; instructions don't. `cargo bench -p refit-worlds --bench engine -- count` goes each
//! way once on a small fleet that is always the same, and callgrind writes what was executed in each of its functions whose name begins with
//! `counted_`, and what of that missed a small cache. The compiler builds for one processor, whichever this is, and libraries that ask what it
//! can do are told the same everywhere, as far as they listen. Where nothing of what is counted has changed since it was recorded, nothing is
//! built.
//!
//! A way that grew fails, with the functions that did, and with what to do about it; so does one that is not counted any more.

use super::{
    process::{self, cargo, output, program, target, workspace},
    tests::install,
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

/// What was recorded, by way.
const RECORDED: &str = "crates/refit-worlds/benches/engine/instructions.json";
/// Of a way that grew by more than this many percent somebody has to say that it was meant.
const TOLERANCE: f64 = 5.0;
/// What the counts depend on, apart from the compiler, as git names files. Of the core that is what is new, too, until somebody says otherwise.
const COUNTED: [&str; 15] = [
    "Cargo.toml",
    "Cargo.lock",
    "crates/refit-model",
    "crates/refit-core",
    "crates/refit-worlds",
    ":(exclude)crates/refit-core/tests",
    ":(exclude)crates/refit-core/benches",
    ":(exclude)crates/refit-core/src/business",
    ":(exclude)crates/refit-core/src/control",
    ":(exclude)crates/refit-core/src/decide",
    ":(exclude)crates/refit-core/src/delivery",
    ":(exclude)crates/refit-core/src/facts/mapping",
    ":(exclude)crates/refit-core/src/plan",
    ":(exclude)crates/refit-worlds/src/history",
    ":(exclude)crates/refit-worlds/tests",
];
/// The processor for which is built: the one that all others of its kind can do what it does.
const PROCESSOR: &str = "x86-64";
/// The cache that is simulated, as valgrind takes it: 32 KiB in lines of 64 bytes. What misses it is memory that was touched.
const CACHE: &str = "32768,8,64";
/// The bytes of a line.
const LINE: u64 = 64;
/// So many functions of each way are recorded: those that take the most.
const FUNCTIONS: usize = 25;
/// What is not used even where the processor has it, as glibc names it: which copy of memory is the fastest differs from machine to machine.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-ERMS,-FSRM";

/// What something took: instructions, and the bytes that came into the small cache.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    instructions: u64,
    bytes: u64,
}

/// One way: what it took, and of that each function without what it calls.
#[derive(Debug, Default, PartialEq)]
struct Way {
    all: Cost,
    functions: BTreeMap<String, Cost>,
}

/// What is held against what was recorded, and how people are told of it.
#[derive(Clone, Copy)]
struct Measure {
    name: &'static str,
    of: fn(&Cost) -> u64,
}

const MEASURES: [Measure; 2] =
    [Measure { name: "instructions", of: |cost| cost.instructions }, Measure { name: "bytes", of: |cost| cost.bytes }];

/// What was recorded: by which compiler, of which files, and what.
type Recorded = (String, String, Ways);

type Ways = BTreeMap<String, Way>;

/// Counts, and compares with what was recorded, or with `--write` records.
pub fn run(arguments: &[String]) -> Result<()> {
    let compiler = output(program("rustc").arg("--version"))?.trim().to_owned();
    let (file, write) = (workspace().join(RECORDED), arguments.iter().any(|argument| argument == "--write"));
    ensure!(
        write || file.is_file(),
        "nothing has been recorded yet: `cargo xtask instructions --write` makes {RECORDED}"
    );
    let files = files()?;
    let recorded_before = if write { None } else { Some(read_file(&file)?) };
    if recorded_before.as_ref().is_some_and(|(by, of, _)| *by == compiler && *of == files) {
        println!("nothing that is counted has changed since it was recorded");
        return Ok(());
    }
    if program("valgrind").arg("--version").output().is_err() && !install(&["valgrind"])? {
        ensure!(!may_not_skip(), "instructions are counted by valgrind: apt-get install valgrind");
        println!("skipped: instructions are counted by valgrind: apt-get install valgrind");
        return Ok(());
    }
    println!("== Building the bench of the fleet engine");
    let bench = bench()?;
    println!("== Counting instructions");
    let now = count(&bench)?;
    let Some((by, _, before)) = recorded_before else {
        let mut text = serde_json::to_string_pretty(&recorded(&compiler, &files, &now))?;
        text.push('\n');
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        println!("recorded in {RECORDED}");
        return Ok(());
    };
    let grown = compare(&before, &now);
    if by != compiler {
        // Another compiler makes other instructions of the same code.
        println!("not held against each other: recorded with {by}, counted with {compiler}; {RECORD}");
        return Ok(());
    }
    if grown.is_empty() {
        return Ok(());
    }
    bail!(
        "more than {TOLERANCE} % more than recorded: {}\n  Above are the functions that took more; `callgrind_annotate --auto=yes {}/out.N` \
         shows their lines.\n  Where it was not meant, change what it comes from. Where it was, {RECORD}",
        grown.join("; "),
        folder().display()
    )
}

/// How a new count is taken for granted.
const RECORD: &str = "`cargo xtask instructions --write` records it: say why in the commit";

/// Where callgrind writes.
fn folder() -> PathBuf {
    target().join("instructions")
}

fn read_file(file: &Path) -> Result<Recorded> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    read(&serde_json::from_str(&text)?).with_context(|| format!("{RECORDED} is not as it was written"))
}

/// A hash of all that is counted, as it is in the working tree. What was recorded is not part of it.
fn files() -> Result<String> {
    let listed = output(program("git").args(["ls-files", "--"]).args(COUNTED))?;
    let there = |name: &&str| *name != RECORDED && workspace().join(name).is_file();
    let names: Vec<&str> = listed.lines().filter(there).collect();
    let hashes = hash(&["--stdin-paths"], &names.join("\n"))?;
    let both: Vec<String> = names.iter().zip(hashes.lines()).map(|(name, hash)| format!("{hash} {name}")).collect();
    Ok(hash(&["--stdin"], &both.join("\n"))?.trim().to_owned())
}

/// What `git hash-object` makes of what it reads.
fn hash(arguments: &[&str], input: &str) -> Result<String> {
    let mut git = program("git");
    git.arg("hash-object").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut git = git.spawn().context("git can't be started")?;
    let mut stdin = git.stdin.take().context("git does not read")?;
    // It answers while it reads: what it says is taken at the same time.
    let input = input.to_owned();
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let said = git.wait_with_output()?;
    ensure!(said.status.success(), "git hash-object ended with {}", said.status);
    ensure!(writing.join().is_ok_and(|written| written.is_ok()), "git hash-object did not read everything");
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

fn may_not_skip() -> bool {
    std::env::var_os("REFIT_NO_SKIP").is_some_and(|value| value == "1")
}

/// Builds the bench; where it is.
fn bench() -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["bench", "--quiet", "--profile=count", "--package", "refit-worlds", "--bench", "engine", "--no-run"]);
    build.arg("--message-format=json").env("RUSTFLAGS", format!("-Ctarget-cpu={PROCESSOR}"));
    let told = output(build.env("CARGO_INCREMENTAL", "1"))?;
    let artifacts = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut executables = artifacts
        .filter(|artifact| artifact["target"]["name"] == "engine")
        .filter_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
    executables.next_back().context("cargo did not say where the bench is")
}

/// Runs the bench under callgrind.
fn count(bench: &Path) -> Result<Ways> {
    let folder = folder();
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut valgrind = program("valgrind");
    valgrind
        // Of two options with one pattern valgrind 3.19 heeds the first.
        .args(["--quiet", "--tool=callgrind", "--zero-before=*counted_*", "--dump-after=engine::count::counted_*"])
        .args(["--cache-sim=yes", &format!("--I1={CACHE}"), &format!("--D1={CACHE}"), "--LL=8388608,16,64"])
        .args(["--compress-strings=no", "--compress-pos=no", "--dump-line=no"])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(bench)
        .arg("count")
        // What else is in the environment lies at the end of the stack, and moves all that comes before it.
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .env("GLIBC_TUNABLES", TUNABLES);
    process::run(&mut valgrind)?;
    let mut ways = Ways::new();
    for entry in fs::read_dir(&folder)? {
        let text = fs::read_to_string(entry?.path())?;
        if let Some(name) = name(&text) {
            add(ways.entry(name).or_default(), &text);
        }
    }
    ensure!(!ways.is_empty(), "callgrind wrote nothing of functions that are named counted_…");
    Ok(ways)
}

/// The way of which a profile of callgrind was written when its function was left.
fn name(profile: &str) -> Option<String> {
    let trigger = profile.lines().find_map(|line| line.strip_prefix("desc: Trigger: --dump-after="))?;
    let (_, name) = trigger.split_once("counted_")?;
    Some(name.chars().take_while(|sign| sign.is_ascii_lowercase() || *sign == '_').collect())
}

/// Adds what a profile of callgrind says, in its format of uncompressed names and positions: a line for each function, and after it one for
/// what it took itself. What follows a line of calls is what the called one took, which is in that function's own lines too.
fn add(way: &mut Way, profile: &str) {
    let (mut function, mut called) = (String::new(), false);
    let mut events: Vec<&str> = Vec::new();
    for line in profile.lines() {
        if let Some(named) = line.strip_prefix("events: ") {
            events = named.split_whitespace().collect();
        } else if let Some(name) = line.strip_prefix("fn=") {
            function = without_hash(name);
        } else if line.starts_with("calls=") {
            called = true;
        } else if line.starts_with(|sign: char| sign.is_ascii_digit()) && !std::mem::take(&mut called) {
            // What is zero at the end of a line is left out.
            let costs = line.split_whitespace().skip(1).map(|cost| cost.parse::<u64>().unwrap_or(0));
            let of_function = way.functions.entry(function.clone()).or_default();
            for (event, cost) in events.iter().zip(costs) {
                for sum in [&mut way.all, &mut *of_function] {
                    match *event {
                        "Ir" => sum.instructions += cost,
                        "D1mr" | "D1mw" => sum.bytes += LINE * cost,
                        _ => {}
                    }
                }
            }
        }
    }
}

/// A name without the hash that another build has otherwise.
fn without_hash(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.chars().all(|sign| sign.is_ascii_hexdigit()) => name.to_owned(),
        _ => name.to_owned(),
    }
}

fn recorded(compiler: &str, files: &str, ways: &Ways) -> Value {
    let cost = |cost: &Cost| json!([cost.instructions, cost.bytes]);
    let way = |way: &Way| {
        let of_each = MEASURES.iter().flat_map(|measure| most(&way.functions, measure.of));
        let functions: BTreeMap<&String, &Cost> = of_each.collect();
        let functions: Map<String, Value> = functions.iter().map(|(name, of)| ((*name).clone(), cost(of))).collect();
        json!({ "all": cost(&way.all), "functions": functions })
    };
    let ways: Map<String, Value> = ways.iter().map(|(name, known)| (name.clone(), way(known))).collect();
    json!({ "compiler": compiler, "files": files, "what": ["instructions", "bytes"], "ways": ways })
}

/// The functions that take the most.
fn most(functions: &BTreeMap<String, Cost>, of: fn(&Cost) -> u64) -> impl Iterator<Item = (&String, &Cost)> {
    let mut sorted: Vec<(&String, &Cost)> = functions.iter().collect();
    sorted.sort_by_key(|(_, cost)| std::cmp::Reverse(of(cost)));
    sorted.into_iter().take(FUNCTIONS)
}

fn read(recorded: &Value) -> Option<Recorded> {
    let cost = |cost: &Value| Some(Cost { instructions: cost[0].as_u64()?, bytes: cost[1].as_u64()? });
    let mut ways = Ways::new();
    for (name, known) in recorded["ways"].as_object()? {
        let functions = known["functions"].as_object()?.iter();
        let functions = functions.map(|(name, of)| Some((name.clone(), cost(of)?))).collect::<Option<_>>()?;
        ways.insert(name.clone(), Way { all: cost(&known["all"])?, functions });
    }
    Some((recorded["compiler"].as_str()?.to_owned(), recorded["files"].as_str()?.to_owned(), ways))
}

/// Prints how each way has changed; what has grown by more than is left alone, and what is new or gone, in words.
fn compare(before: &Ways, now: &Ways) -> Vec<String> {
    let mut found = Vec::new();
    for measure in MEASURES {
        println!("{:<20} {:>16} {:>16} {:>9}", measure.name, "recorded", "now", "change");
        for (name, way) in now {
            let is = (measure.of)(&way.all);
            let Some(known) = before.get(name) else {
                println!("{name:<20} {:>16} {is:>16} {:>9}", "-", "new");
                continue;
            };
            let was = (measure.of)(&known.all);
            let change = (is as f64 / was.max(1) as f64 - 1.0) * 100.0;
            println!("{name:<20} {was:>16} {is:>16} {change:>+8.1}%");
            if change > TOLERANCE {
                found.push(format!("{name} (+{change:.1} % {})", measure.name));
                print_growth(known, way, measure);
            } else if change < -TOLERANCE {
                println!("    less than recorded: `cargo xtask instructions --write`, or it may grow back unnoticed");
            }
        }
    }
    found.extend(now.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("{name} is new")));
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    found.extend(gone.map(|name| format!("{name} is not counted any more")));
    found
}

/// Prints which functions took more than before, the most first; one that was not recorded took less than those that took the most.
fn print_growth(before: &Way, now: &Way, measure: Measure) {
    let of = measure.of;
    let unnamed = most(&before.functions, of).nth(FUNCTIONS - 1).map_or(0, |(_, cost)| of(cost));
    let more = most(&now.functions, of).filter_map(|(name, cost)| {
        let known = before.functions.get(name).map(of);
        let more = of(cost).checked_sub(known.unwrap_or(unnamed)).filter(|more| *more > 0)?;
        Some((more, name, known))
    });
    let mut more: Vec<(u64, &String, Option<u64>)> = more.collect();
    more.sort_by_key(|(more, _, _)| std::cmp::Reverse(*more));
    for (more, name, known) in more.into_iter().take(8) {
        let was = known.map_or("not among the most costly".to_owned(), |known| known.to_string());
        println!("    {more:>+14}  {name} (was {was})");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
version: 1
desc: Trigger: --dump-after=engine::count::counted_same_check_ins
positions: line
events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw
fn=engine::count::counted_same_check_ins
0 10 4 2 0 1 1
cfn=core::hash::of::h0123456789abcdef
calls=3 0
0 70 9 9 0 3
0 5
fn=core::hash::of::h0123456789abcdef
0 70 9 9 0 3
totals: 85
";

    #[test]
    fn a_profile_says_what_each_function_took_itself() {
        assert_eq!(name(PROFILE).as_deref(), Some("same_check_ins"));
        assert_eq!(name("desc: Trigger: Program termination\n"), None);
        let mut way = Way::default();
        add(&mut way, PROFILE);
        let cost = |instructions, lines| Cost { instructions, bytes: lines * LINE };
        let functions = [("engine::count::counted_same_check_ins", cost(15, 2)), ("core::hash::of", cost(70, 3))];
        let functions = functions.map(|(name, cost)| (name.to_owned(), cost)).into();
        assert_eq!(way, Way { all: cost(85, 5), functions });
        let ways = Ways::from([("same".to_owned(), way)]);
        let again = read(&recorded("rustc 1.0.0", "0123", &ways));
        assert_eq!(again, Some(("rustc 1.0.0".to_owned(), "0123".to_owned(), ways)));
    }

    #[test]
    fn of_many_functions_those_are_recorded_that_take_the_most_of_either() {
        let cost = |number: u64| (format!("f{number:03}"), Cost { instructions: number, bytes: 1_000 - number });
        let way = Way { all: Cost::default(), functions: (0..100).map(cost).collect() };
        let (_, _, again) = read(&recorded("", "", &Ways::from([("one".to_owned(), way)]))).unwrap();
        let names: Vec<&String> = again["one"].functions.keys().collect();
        assert_eq!(names.len(), 2 * FUNCTIONS);
        assert_eq!((names[0].as_str(), names[FUNCTIONS].as_str()), ("f000", "f075"));
    }

    #[test]
    fn what_grew_beyond_the_tolerance_is_named() {
        let way = |instructions, bytes| Way { all: Cost { instructions, bytes }, functions: BTreeMap::new() };
        let ways = |load, release| Ways::from([("load".to_owned(), load), ("release".to_owned(), release)]);
        let before = ways(way(1_000, 640), way(1_000, 640));
        assert!(compare(&before, &ways(way(1_049, 640), way(500, 64))).is_empty());
        let found = |load, release| compare(&before, &ways(load, release));
        assert_eq!(found(way(1_060, 640), way(1_000, 640)), ["load (+6.0 % instructions)"]);
        assert_eq!(found(way(1_000, 640), way(1_000, 704)), ["release (+10.0 % bytes)"], "memory counts, too");
        let one = Ways::from([("load".to_owned(), way(1, 0))]);
        assert_eq!(compare(&Ways::new(), &one), ["load is new"], "what was never recorded has to be");
        assert_eq!(compare(&one, &Ways::new()), ["load is not counted any more"], "and what was does not go unnoticed");
    }
}
