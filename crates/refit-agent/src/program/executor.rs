//! The executor: it drives the machine, and does what the machine wants. It never talks to the network itself.

use super::{
    busy::{Desktops, Questions},
    control::{self, Allowance, Asker, Request},
    disk,
    folders::{Config, Folders, is_root, user_ids},
    frame::{self, Call},
    log::Log,
    packages, person,
    reading::Reader,
};
use crate::{
    machine::{Change, Clock, Effect, Failure, Input, Machine, Settings, Severity, Status},
    providers::of_this_machine,
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_wire::{mandate::check::Step, state::PackageName};
use std::{
    fs,
    io::BufReader,
    net::Shutdown,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// How long to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until told to stop.
    Stopped,
    /// One check-in, and the session that follows from it.
    Settled,
}

/// Who starts the network process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The executor, as the network process's user.
    Child,
    /// Somebody else: under systemd it is a unit of its own.
    Apart,
}

/// What happens to the executor.
enum Event {
    Input(Input),
    Control(Request, Asker, Sender<control::Answer>),
    /// The network process is there.
    Network(UnixStream),
    /// The network process of this connection has ended.
    NetworkGone(u64),
    /// Nobody asks the package manager any more.
    WorkerGone,
    Stop,
}

/// Says that a thread has ended, however that came about.
struct Ending(Sender<Event>, Option<Event>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(event) = self.1.take() {
            let _ = self.0.send(event);
        }
    }
}

/// Work for the package manager, one at a time.
enum Job {
    Read { refresh: bool, wanted: Vec<PackageName>, restarting: Vec<PackageName> },
    Simulate { session: u64, changes: Vec<Change> },
    Apply { session: u64, changes: Vec<Change>, steps: Vec<Step> },
    Observe { session: u64, packages: Vec<PackageName> },
}

struct Executor {
    folders: Folders,
    machine: Machine,
    log: Log,
    jobs: Sender<Job>,
    events: Sender<Event>,
    network: Option<UnixStream>,
    /// The number of the connection with the network process.
    connection: u64,
    /// The call that is out, and since when.
    out: Option<(u64, Instant)>,
    /// The number of the call to which the network process may send one answer; 0 is: none. What else it sends goes nowhere.
    expected: Arc<AtomicU64>,
    /// A call that waits for the network process.
    waiting: Option<(Call, Vec<u8>)>,
    working: usize,
    wake: Duration,
    fetch_lists: bool,
    /// Check-ins that people may ask for.
    allowance: Allowance,
    desktops: Desktops,
    /// Calendars that agent.json names.
    calendars: Arc<[PathBuf]>,
    /// Whether somebody is at the machine.
    attended: bool,
}

/// Runs the executor.
pub fn run(folders: &Folders, until: Until, network: Network) -> Result<Status> {
    let config = Config::read(&folders.config_file())?;
    let _alone = disk::lock(folders)?;
    let (journal, documents) = disk::load(folders)?;
    let settings = Settings {
        least_interval: Duration::from_secs(config.least_interval_seconds),
        most_interval: Duration::from_secs(config.most_interval_seconds.max(config.least_interval_seconds)),
        ..Settings::default()
    };
    let machine = Machine::new(settings, journal, documents)?;
    fs::create_dir_all(&folders.run).with_context(|| format!("{} can't be made", folders.run.display()))?;

    let (events, inbox) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    watch_signals(&stop, &events)?;
    listen_for_network(folders, &events)?;
    let requests = events.clone();
    control::listen(folders, move |request, asker, reply| {
        let _ = requests.send(Event::Control(request, asker, reply));
    })?;
    if network == Network::Child {
        keep_network_running(folders, &stop)?;
    }
    let jobs = start_worker(&events, &stop);
    let mut executor = Executor {
        folders: folders.clone(),
        machine,
        log: Log::open(),
        jobs,
        events,
        network: None,
        connection: 0,
        out: None,
        expected: Arc::default(),
        waiting: None,
        working: 0,
        wake: Duration::from_secs(1),
        fetch_lists: config.fetch_lists,
        allowance: Allowance::new(clock().monotonic),
        desktops: Desktops::default(),
        calendars: config.calendars.into(),
        attended: false,
    };
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    executor.step(Input::Started { random, boot: boot.trim().into() })?;
    executor.look_at_people()?;
    if until == Until::Settled {
        executor.step(Input::CheckInNow)?;
    }
    loop {
        if until == Until::Settled && executor.is_settled() {
            return Ok(executor.machine.status(clock()));
        }
        if executor.out.is_some_and(|(_, since)| since.elapsed() > CALL) {
            executor.give_up("the network process does not answer")?;
        }
        let most = if executor.attended { LOOK } else { CALL };
        match inbox.recv_timeout(executor.wake.min(most)) {
            Ok(Event::Input(input)) => {
                if matches!(input, Input::Inventory(_) | Input::Simulated { .. } | Input::Observed { .. }) {
                    executor.working = executor.working.saturating_sub(1);
                }
                if let Input::Answered { call, .. } = &input {
                    executor.out.take_if(|(out, _)| out == call);
                    executor.waiting.take_if(|(waiting, _)| waiting.call == *call);
                }
                // A change may follow from these.
                if matches!(input, Input::Inventory(_) | Input::Simulated { .. } | Input::Answered { .. }) {
                    executor.look_at_people()?;
                }
                executor.step(input)?;
            }
            Ok(Event::Control(request, asker, reply)) => {
                let answer = executor.people_ask(&request, asker)?;
                let _ = reply.send(answer);
            }
            Ok(Event::Network(stream)) => executor.network_came(stream)?,
            Ok(Event::NetworkGone(connection)) if connection == executor.connection => {
                executor.network = None;
                executor.give_up("the network process has ended")?;
            }
            Ok(Event::NetworkGone(_)) => {}
            // What it was doing is looked at by the next life of the agent.
            Ok(Event::WorkerGone) => anyhow::bail!("what asks the package manager has ended; the agent begins anew"),
            Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => {
                executor.look_at_people()?;
                executor.step(Input::Woken)?;
            }
        }
        // What the package manager has begun is finished first.
        if stop.load(Ordering::SeqCst) && executor.working == 0 {
            return Ok(executor.machine.status(clock()));
        }
    }
}

/// By both clocks.
fn clock() -> Clock {
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(boot.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(boot.tv_nsec).unwrap_or_default();
    Clock { wall: Timestamp::now(), monotonic: Duration::new(seconds, nanos) }
}

impl Executor {
    fn step(&mut self, input: Input) -> Result<()> {
        let effects = self.machine.step(input, clock());
        for effect in effects {
            self.carry_out(effect)?;
        }
        Ok(())
    }

    fn people_ask(&mut self, request: &Request, asker: Asker) -> Result<control::Answer> {
        let allowed = self.allowance.take(request, asker, clock().monotonic);
        if allowed.is_ok() {
            if *request == Request::Once {
                self.step(Input::CheckInNow)?;
            } else if let Some(said) = request.said() {
                self.step(Input::Person(said))?;
            }
        }
        // Rounded up: who comes then is not sent away again.
        let again_in_seconds = allowed.err().map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        Ok(control::Answer { status: self.machine.status(clock()), again_in_seconds })
    }

    fn look_at_people(&mut self) -> Result<()> {
        let questions = Questions { respected: self.machine.respects(), calendars: self.calendars.clone() };
        let (presence, unasked) = person::presence(&mut self.desktops, &questions);
        for line in unasked {
            self.log.write(Severity::Notice, &line);
        }
        self.attended = presence.attended;
        self.step(Input::Presence(presence))
    }

    fn is_settled(&self) -> bool {
        let status = self.machine.status(clock());
        let has_tried = self.machine.journal().counter > 0 || !status.problems.is_empty();
        has_tried && !status.talking && !status.in_session && self.working == 0 && self.waiting.is_none()
    }

    /// What can't be written to disk must not be followed by what depends on it: the agent ends, and begins anew from what is there.
    fn carry_out(&mut self, effect: Effect) -> Result<()> {
        match effect {
            Effect::Keep(_, envelope) => disk::keep(&self.folders, &envelope)?,
            Effect::Save => disk::save(&self.folders, self.machine.journal())?,
            Effect::Ask { call, ask } => {
                let (call, body) = Call::of(call, &ask)?;
                self.send(call, body);
            }
            Effect::ReadInventory { refresh, wanted, restarting } => {
                self.work(Job::Read { refresh: refresh && self.fetch_lists && is_root(), wanted, restarting });
            }
            Effect::Simulate { session, changes } => self.work(Job::Simulate { session, changes }),
            Effect::Apply { session, changes, steps } => self.work(Job::Apply { session, changes, steps }),
            Effect::Observe { session, packages } => self.work(Job::Observe { session, packages }),
            Effect::Tell(telling) => {
                let events = self.events.clone();
                let told = person::tell(&telling, move |said| {
                    let _ = events.send(Event::Input(Input::Person(said)));
                });
                if let Err(why) = told {
                    self.log.write(Severity::Warning, &why);
                }
            }
            Effect::Log(severity, line) => self.log.write(severity, &line),
            Effect::Restart => self.restart(),
            Effect::Wake(after) => self.wake = after,
        }
        Ok(())
    }

    fn work(&mut self, job: Job) {
        self.working += 1;
        let _ = self.jobs.send(job);
    }

    /// Nobody waits for an answer that will not come.
    fn give_up(&mut self, why: &str) -> Result<()> {
        let Some((call, _)) = self.out.take() else { return Ok(()) };
        self.waiting = None;
        self.step(Input::Answered { call, result: Err(Failure::Unreachable(why.into())) })
    }

    fn send(&mut self, call: Call, body: Vec<u8>) {
        self.out = Some((call.call, Instant::now()));
        let Some(stream) = &mut self.network else {
            // It comes in a moment, or the wait ends: see `network_came`, and the time limit below.
            let (number, events) = (call.call, self.events.clone());
            self.waiting = Some((call, body));
            thread::spawn(move || {
                thread::sleep(NETWORK_WAIT);
                let failure = Failure::Unreachable("the network process does not run".into());
                let _ = events.send(Event::Input(Input::Answered { call: number, result: Err(failure) }));
            });
            return;
        };
        self.expected.store(call.call, Ordering::SeqCst);
        if frame::send(stream, &call, &body).is_err() {
            self.network = None;
            let failure = Failure::Unreachable("the network process has gone".into());
            let _ = self.events.send(Event::Input(Input::Answered { call: call.call, result: Err(failure) }));
        }
    }

    fn network_came(&mut self, stream: UnixStream) -> Result<()> {
        // There is one network process; whatever came before it has nothing more to say.
        if let Some(before) = self.network.take() {
            let _ = before.shutdown(Shutdown::Both);
            self.expected.store(0, Ordering::SeqCst);
            self.give_up("another network process has come")?;
        }
        let (events, reader, expected) = (self.events.clone(), stream.try_clone()?, self.expected.clone());
        self.connection += 1;
        let connection = self.connection;
        let ending = Ending(self.events.clone(), Some(Event::NetworkGone(connection)));
        thread::spawn(move || {
            let _ending = ending;
            let mut reader = BufReader::new(reader);
            while let Ok(Some((answer, body))) = frame::receive::<frame::Answer>(&mut reader) {
                if expected.compare_exchange(answer.call, 0, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                    continue;
                }
                let result = answer.failure.map_or(Ok(body), |failure| Err(failure.into()));
                if events.send(Event::Input(Input::Answered { call: answer.call, result })).is_err() {
                    return;
                }
            }
        });
        self.network = Some(stream);
        if let Some((call, body)) = self.waiting.take() {
            self.send(call, body);
        }
        Ok(())
    }

    fn restart(&self) {
        let restarted =
            [("systemctl", &["reboot"][..]), ("shutdown", &["-r", "now"])].iter().any(|(program, arguments)| {
                Command::new(program).args(*arguments).status().is_ok_and(|status| status.success())
            });
        if !restarted {
            self.log.write(Severity::Warning, "the machine could not be restarted");
        }
    }
}

/// How long a call may take, whatever the network process says: its own limit is shorter.
const CALL: Duration = Duration::from_secs(300);
/// How often people who are at the machine are looked at.
const LOOK: Duration = Duration::from_secs(30);
/// How long a call waits for the network process to come.
const NETWORK_WAIT: Duration = Duration::from_secs(30);

fn start_worker(events: &Sender<Event>, stop: &Arc<AtomicBool>) -> Sender<Job> {
    let (jobs, inbox) = mpsc::channel();
    let (events, stop) = (events.clone(), stop.clone());
    let ending = Ending(events.clone(), Some(Event::WorkerGone));
    thread::spawn(move || {
        let _ending = ending;
        let mut reader = Reader::default();
        let none = || crate::machine::CannotDo {
            passing: false,
            held: false,
            why: "this machine has no package manager that Refit knows".into(),
        };
        for job in inbox {
            let provider = of_this_machine();
            let now = Timestamp::now();
            let provider = provider.as_deref();
            let input = match job {
                Job::Read { refresh, wanted, restarting } => {
                    let read = |provider| reader.read(provider, refresh, &wanted, &restarting, now);
                    Input::Inventory(provider.map_or_else(|| Err(none().why), read))
                }
                Job::Simulate { session, changes } => {
                    let simulated = provider
                        .ok_or_else(none)
                        .and_then(|provider| packages::simulate(provider, &changes, now).map(|(_, steps)| steps));
                    Input::Simulated { session, result: simulated }
                }
                Job::Apply { session, changes, steps } => {
                    let stopping = || stop.load(Ordering::SeqCst);
                    let applied = provider
                        .ok_or_else(none)
                        .and_then(|provider| packages::apply(provider, &changes, &steps, now, &stopping));
                    Input::Observed { session, result: applied }
                }
                Job::Observe { session, packages } => {
                    let observed =
                        provider.ok_or_else(none).and_then(|provider| packages::observe(provider, &packages));
                    Input::Observed { session, result: observed }
                }
            };
            if events.send(Event::Input(input)).is_err() {
                return;
            }
        }
    });
    jobs
}

fn watch_signals(stop: &Arc<AtomicBool>, events: &Sender<Event>) -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    let (stop, events) = (stop.clone(), events.clone());
    thread::spawn(move || {
        for _ in signals.forever() {
            stop.store(true, Ordering::SeqCst);
            let _ = events.send(Event::Stop);
        }
    });
    Ok(())
}

/// The socket of the network process: its user may connect, and nobody else.
fn listen_for_network(folders: &Folders, events: &Sender<Event>) -> Result<()> {
    let path = folders.executor_socket();
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("{} can't be made", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    if let Some((uid, gid)) = user_ids(&folders.user).filter(|_| is_root()) {
        std::os::unix::fs::chown(&path, Some(uid), Some(gid))?;
    }
    let events = events.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if events.send(Event::Network(stream)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Starts the network process as its own user, and again when it ends.
fn keep_network_running(folders: &Folders, stop: &Arc<AtomicBool>) -> Result<()> {
    let program = std::env::current_exe().context("the program's own path is not known")?;
    let ids = user_ids(&folders.user);
    if is_root() && ids.is_none() {
        anyhow::bail!(
            "there is no user `{}` for the network process; the package makes it: `useradd --system --no-create-home {0}`",
            folders.user
        );
    }
    let (folders, stop) = (folders.clone(), stop.clone());
    thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            let mut command = Command::new(&program);
            command.arg("--config-folder").arg(&folders.config).arg("--state-folder").arg(&folders.state);
            command.arg("--run-folder").arg(&folders.run).arg("network").stdin(Stdio::null());
            if let Some((uid, gid)) = ids.filter(|_| is_root()) {
                command.uid(uid).gid(gid);
            }
            // Whatever comes of it, it is started again.
            let _ = command.status();
            thread::sleep(Duration::from_secs(5));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_is_missed() {
        let (events, inbox) = mpsc::channel();
        let ending = Ending(events, Some(Event::WorkerGone));
        let thread = thread::spawn(move || {
            let _ending = ending;
            panic!("a package manager says what nobody expects");
        });
        assert!(thread.join().is_err());
        assert!(matches!(inbox.recv(), Ok(Event::WorkerGone)));
    }
}
