//! dnf 4 and rpm, on Fedora, Red Hat Enterprise Linux and their relatives.
//!
//! A change is asked for as a transaction file that dnf itself replays (`dnf history replay`): with every package at its
//! exact version, from its repository, it refuses what is not in the file. So one mechanism simulates (extras permitted,
//! nothing made) and applies (extras refused).
//!
//! rpm keeps no state between unpacked and configured: a package whose post-install script failed looks like any other, and
//! dnf ends with 0. What tells it apart is dnf's own history, which keeps the scripts' output (`history`).

mod apply;
mod history;
mod holds;
mod inventory;
mod locks;
mod narrow;
mod observe;
mod offers;
mod provider;
mod refresh;
mod repair;
mod replay;
mod repositories;
mod restarts;
mod run;
mod simulate;
mod table;
mod transcript;

pub use provider::Dnf;
