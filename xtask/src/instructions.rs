//! `cargo xtask instructions`: how many instructions the hot ways of the fleet engine take, and how much memory they touch, held against what
//! was recorded.
//!
//! Times depend on the machine and on whoever else uses it; instructions don't. `cargo bench -p refit-worlds --bench engine -- count` goes each
//! way once on a small fleet that is always the same, and callgrind writes what was executed in each of its functions whose name begins with
//! `counted_`, and what of that missed a small cache. The compiler builds for one processor, whichever this is, and libraries that ask what it
//! can do are told the same everywhere, as far as they listen. Where nothing of what is counted has changed since it was recorded, nothing is
//! built.

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
/// What the counts depend on, apart from the compiler.
const COUNTED: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "crates/refit-model",
    "crates/refit-core/src/engine",
    "crates/refit-core/src/facts",
    "crates/refit-core/src/policy",
    "crates/refit-core/src/rollout",
    "crates/refit-core/src/world",
    "crates/refit-worlds",
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

/// One way: all instructions, the bytes that came into the small cache, and the instructions of each function without what it calls.
#[derive(Debug, Default, PartialEq)]
struct Way {
    instructions: u64,
    bytes: u64,
    functions: BTreeMap<String, u64>,
}

/// What was recorded: by which compiler, of which files, and what.
type Recorded = (String, String, Ways);

type Ways = BTreeMap<String, Way>;

/// Counts, and compares with what was recorded, or with `--write` records.
pub fn run(arguments: &[String]) -> Result<()> {
    let compiler = output(program("rustc").arg("--version"))?.trim().to_owned();
    let (file, write) = (workspace().join(RECORDED), arguments.iter().any(|argument| argument == "--write"));
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
    if grown.is_empty() {
        return Ok(());
    }
    let advice = "`cargo xtask instructions --write` records it, where that was meant; say why in the commit";
    if by != compiler {
        // Another compiler makes other instructions of the same code.
        println!("not held against each other: recorded with {by}, counted with {compiler}; {advice}");
        return Ok(());
    }
    bail!("{} took more than {TOLERANCE} % more than recorded; {advice}", grown.join(", "))
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
    let folder = target().join("instructions");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut valgrind = program("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind", "--zero-before=*counted_*", "--dump-after=*counted_*"])
        .args(["--cache-sim=yes", &format!("--I1={CACHE}"), &format!("--D1={CACHE}"), "--LL=8388608,16,64"])
        .args(["--compress-strings=no", "--compress-pos=no", "--dump-line=no"])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(bench)
        .arg("count")
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
            let mut of_function = 0;
            for (event, cost) in events.iter().zip(costs) {
                match *event {
                    "Ir" => of_function += cost,
                    "D1mr" | "D1mw" => way.bytes += LINE * cost,
                    _ => {}
                }
            }
            way.instructions += of_function;
            *way.functions.entry(function.clone()).or_default() += of_function;
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
    let way = |way: &Way| {
        let most: Map<String, Value> = most(&way.functions).map(|(name, cost)| (name.clone(), json!(cost))).collect();
        json!({ "instructions": way.instructions, "bytes": way.bytes, "functions": most })
    };
    let ways: Map<String, Value> = ways.iter().map(|(name, known)| (name.clone(), way(known))).collect();
    json!({ "compiler": compiler, "files": files, "ways": ways })
}

/// The functions that take the most.
fn most(functions: &BTreeMap<String, u64>) -> impl Iterator<Item = (&String, u64)> {
    let mut sorted: Vec<(&String, u64)> = functions.iter().map(|(name, cost)| (name, *cost)).collect();
    sorted.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
    sorted.into_iter().take(FUNCTIONS)
}

fn read(recorded: &Value) -> Option<Recorded> {
    let mut ways = Ways::new();
    for (name, known) in recorded["ways"].as_object()? {
        let functions = known["functions"].as_object()?.iter();
        let functions = functions.map(|(name, cost)| Some((name.clone(), cost.as_u64()?))).collect::<Option<_>>()?;
        let (instructions, bytes) = (known["instructions"].as_u64()?, known["bytes"].as_u64()?);
        ways.insert(name.clone(), Way { instructions, bytes, functions });
    }
    Some((recorded["compiler"].as_str()?.to_owned(), recorded["files"].as_str()?.to_owned(), ways))
}

/// Prints how each way has changed; those that have grown by more than is left alone.
fn compare(before: &Ways, now: &Ways) -> Vec<String> {
    let title = |what: &str| println!("{what:<20} {:>16} {:>16} {:>9}", "recorded", "now", "change");
    title("instructions");
    let mut grown = Vec::new();
    for (name, way) in now {
        let Some(known) = before.get(name) else {
            println!("{name:<20} {:>16} {:>16} {:>9}", "-", way.instructions, "new");
            grown.push(name.clone());
            continue;
        };
        let change = percent(known.instructions, way.instructions);
        println!("{name:<20} {:>16} {:>16} {change:>+8.1}%", known.instructions, way.instructions);
        if change > TOLERANCE {
            grown.push(name.clone());
            print_growth(known, way);
        }
    }
    title("bytes");
    for (name, way) in now {
        let Some(known) = before.get(name) else { continue };
        let change = percent(known.bytes, way.bytes);
        println!("{name:<20} {:>16} {:>16} {change:>+8.1}%", known.bytes, way.bytes);
        if change > TOLERANCE && !grown.contains(name) {
            grown.push(name.clone());
        }
    }
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    gone.for_each(|name| println!("{name:<20} is not counted any more"));
    grown
}

fn percent(before: u64, now: u64) -> f64 {
    (now as f64 / before.max(1) as f64 - 1.0) * 100.0
}

/// Prints which functions took more than before, the most first; one that was not recorded took less than all that were.
fn print_growth(before: &Way, now: &Way) {
    let least = before.functions.values().min().copied().unwrap_or(0);
    let more = most(&now.functions).filter_map(|(name, cost)| {
        let known = before.functions.get(name).copied();
        let more = cost.checked_sub(known.unwrap_or(least)).filter(|more| *more > 0)?;
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
        let functions = [("engine::count::counted_same_check_ins", 15), ("core::hash::of", 70)];
        let functions = functions.map(|(name, cost)| (name.to_owned(), cost)).into();
        assert_eq!(way, Way { instructions: 85, bytes: 5 * LINE, functions });
        let ways = Ways::from([("same".to_owned(), way)]);
        let again = read(&recorded("rustc 1.0.0", "0123", &ways));
        assert_eq!(again, Some(("rustc 1.0.0".to_owned(), "0123".to_owned(), ways)));
    }

    #[test]
    fn what_grew_beyond_the_tolerance_is_named() {
        let way = |instructions, bytes| Way { instructions, bytes, functions: BTreeMap::new() };
        let ways = |load, release| Ways::from([("load".to_owned(), load), ("release".to_owned(), release)]);
        let before = ways(way(1_000, 640), way(1_000, 640));
        assert!(compare(&before, &ways(way(1_049, 640), way(500, 64))).is_empty());
        assert_eq!(compare(&before, &ways(way(1_051, 640), way(1_000, 640))), ["load"]);
        assert_eq!(compare(&before, &ways(way(1_000, 640), way(1_000, 704))), ["release"], "memory counts, too");
        assert_eq!(compare(&before, &ways(way(1_051, 704), way(1_000, 640))), ["load"], "and each is named once");
        let more = Ways::from([("new".to_owned(), way(1, 0))]);
        assert_eq!(compare(&before, &more), ["new"], "what was never recorded has to be");
    }
}
