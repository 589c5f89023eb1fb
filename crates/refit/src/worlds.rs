//! Reading a fleet from a file.

use crate::{Refused, terminal};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_core::{
    engine::Fleet,
    facts::Fields,
    world::{Device, World},
};
use refit_model::DeviceId;
use refit_worlds::WorldReader;
use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind},
    path::Path,
};

/// A fleet as it was read.
pub struct Loaded {
    /// The devices.
    pub fleet: Fleet,
    /// Releases and advisories.
    pub world: World,
    /// The time at which the fleet is as it is.
    pub now: Timestamp,
}

/// What is kept of devices: what is not asked takes no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Everything.
    Everything,
    /// What is said of them, and not what is installed.
    Facts,
}

/// How many devices are read between two words about it.
const STEP: usize = 1_000;

/// How much of a file is read at once, in bytes: lines of devices are some thousand long.
const BUFFER: usize = 1 << 20;

/// Reads a fleet: one device after the other goes into the engine's memory, and the file is never in memory as a whole.
pub fn load(file: &Path, fields: &Fields, kept: Kept) -> Result<Loaded> {
    let bar = terminal::spinner("reading devices");
    let mut reader = open(file, fields)?;
    let mut fleet = Fleet::new();
    for device in reader.by_ref() {
        let mut device = device.with_context(|| named(file))?;
        if fleet.number(&device.id).is_some() {
            bail!("{}: device `{}` is in it twice", named(file), device.id);
        }
        if kept == Kept::Facts {
            (device.installs, device.offers, device.absences) = Default::default();
        }
        fleet.put(&device);
        if fleet.len().is_multiple_of(STEP) {
            bar.set_message(format!("{} devices read", fleet.len()));
        }
    }
    bar.finish_and_clear();
    Ok(Loaded { fleet, world: reader.world().clone(), now: reader.now() })
}

/// Reads the devices of a fleet one after the other, and the time at which the fleet is as it is.
pub fn each(file: &Path, fields: &Fields, mut take: impl FnMut(&Device, Timestamp)) -> Result<()> {
    let bar = terminal::spinner("reading devices");
    let mut reader = open(file, fields)?;
    let now = reader.now();
    for device in reader.by_ref() {
        take(&device.with_context(|| named(file))?, now);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Reads one device of a fleet, and what is so of titles. `None` where there is no such device, with ids that are near.
pub fn one(file: &Path, fields: &Fields, id: &DeviceId) -> Result<(Option<Device>, World, Timestamp, Vec<DeviceId>)> {
    let bar = terminal::spinner("looking for the device");
    let mut reader = open(file, fields)?;
    let mut ids = Vec::new();
    let mut found = None;
    for device in reader.by_ref() {
        let device = device.with_context(|| named(file))?;
        if device.id == *id {
            found = Some(device);
            break;
        }
        ids.push(device.id);
    }
    bar.finish_and_clear();
    Ok((found, reader.world().clone(), reader.now(), ids))
}

fn open(file: &Path, fields: &Fields) -> Result<WorldReader<Box<dyn BufRead>>> {
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(BufReader::with_capacity(BUFFER, std::io::stdin().lock()))
    } else {
        let opened = match File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Refused::usage(format!(
                    "there is no file `{0}`; make up a fleet with `refit fleet generate --devices 1000 --out {0}`",
                    file.display()
                )));
            }
            Err(error) => return Err(error).with_context(|| named(file)),
        };
        if opened.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Refused::usage(format!(
                "`{}` is a folder: `--world` takes a file as `refit fleet generate` writes it",
                file.display()
            )));
        }
        Box::new(BufReader::with_capacity(BUFFER, opened))
    };
    WorldReader::new(input, fields.clone()).with_context(|| named(file))
}

/// How people are told of the file.
pub fn named(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}
